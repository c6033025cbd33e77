// Keeps a socket from living on in forked children.
//
// A peer learns that a process has died from the end of their connection, which comes only when
// the last copy of the socket is gone. Programs fork helpers (data loaders) that outlive a killed
// parent; so in a forked child every guarded descriptor is replaced by /dev/null at once. Children
// that exec have no copies anyway (O_CLOEXEC).
#ifndef TF_DDL_BASE_FORK_GUARD_H_
#define TF_DDL_BASE_FORK_GUARD_H_

namespace tf_ddl {

class ForkGuard {
 public:
  // Guards `fd` as long as it lives; must go before `fd` is closed.
  explicit ForkGuard(int fd);
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;
  ~ForkGuard() { Release(); }
  void Release();

 private:
  int fd_;
};

}  // namespace tf_ddl

#endif  // TF_DDL_BASE_FORK_GUARD_H_
