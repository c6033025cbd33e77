#include "base/fork_guard.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <mutex>
#include <set>

namespace tf_ddl {
namespace {

// fork(2) is process-wide, so this is too. Never destroyed: a fork may come after main has ended.
struct Guarded {
  std::mutex mutex;
  std::set<int> fds;
};

Guarded& AllGuarded() {
  static Guarded* const guarded = [] {
    pthread_atfork([] { AllGuarded().mutex.lock(); }, [] { AllGuarded().mutex.unlock(); },
                   [] {
                     const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
                     for (const int fd : AllGuarded().fds) {
                       if (null >= 0) {
                         dup3(null, fd, O_CLOEXEC);
                       } else {
                         close(fd);
                       }
                     }
                     if (null >= 0) close(null);
                     AllGuarded().mutex.unlock();
                   });
    return new Guarded;
  }();
  return *guarded;
}

}  // namespace

ForkGuard::ForkGuard(int fd) : fd_(fd) {
  if (fd_ < 0) return;
  Guarded& all = AllGuarded();
  std::lock_guard<std::mutex> lock(all.mutex);
  all.fds.insert(fd_);
}

void ForkGuard::Release() {
  if (fd_ < 0) return;
  Guarded& all = AllGuarded();
  std::lock_guard<std::mutex> lock(all.mutex);
  all.fds.erase(fd_);
  fd_ = -1;
}

}  // namespace tf_ddl
