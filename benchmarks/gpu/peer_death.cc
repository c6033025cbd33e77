// Two processes reduce together; one is killed. The other's collective hangs until it aborts.
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/time.h"
#include "parts.h"

extern char** environ;

namespace tf_ddl::gpu {
namespace {

constexpr double kPatience = 120;

bool WaitForFile(const std::string& path) {
  const Deadline deadline = DeadlineIn(kPatience);
  while (access(path.c_str(), R_OK) != 0) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

// Complete as soon as it is there.
void WriteFile(const std::string& path, const std::string& text) {
  const std::string unfinished = path + ".new";
  std::ofstream(unfinished, std::ios::binary) << text;
  std::rename(unfinished.c_str(), path.c_str());
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

pid_t Spawn(const Settings& settings, const std::string& role) {
  std::vector<std::string> words = {settings.self, "--role", role, "--id-file", settings.id_file};
  for (const std::string& path : settings.libraries.nccl) {
    words.insert(words.end(), {"--nccl", path});
  }
  for (const std::string& path : settings.libraries.cuda) {
    words.insert(words.end(), {"--cuda", path});
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t pid = 0;
  if (posix_spawn(&pid, settings.self.c_str(), nullptr, nullptr, arguments.data(), environ) != 0) {
    return -1;
  }
  return pid;
}

int WaitFor(pid_t pid) {
  const Deadline deadline = DeadlineIn(kPatience);
  int status = 0;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (Clock::now() >= deadline) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      return 1;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

int PlayPeer(const Settings& settings) {
  const bool survives = settings.role == "survivor";
  NcclOptions options;
  options.libraries = settings.libraries;
  options.rank = survives ? 0 : 1;
  options.size = 2;
  options.ordinal = options.rank % NumGpus(settings);
  if (survives) {
    Require(MakeNcclUniqueId(options.libraries, &options.unique_id), "ncclGetUniqueId");
    WriteFile(settings.id_file, options.unique_id);
  } else {
    if (!WaitForFile(settings.id_file)) return 1;
    options.unique_id = ReadFile(settings.id_file);
  }
  std::unique_ptr<DeviceCommunicator> communicator;
  Require(CreateNcclCommunicator(options, &communicator), "CreateNcclCommunicator");
  std::shared_ptr<const DeviceLibraries> libraries;
  Require(DeviceLibraries::Open(settings.libraries, &libraries), "libraries");
  std::shared_ptr<Device> device;
  Require(Device::Open(libraries, options.ordinal, &device), "GPU");
  Require(device->MakeCurrent(), "GPU");
  const int64_t count = 25 << 18;  // 25 MB
  const Memory memory(device->cuda(), count * 4);
  const auto start = [&](std::function<void(const Status&)> done) {
    auto collective = std::make_unique<DeviceCollective>();
    collective->segments = {{memory.get(), memory.get(), count}};
    collective->name = "after the death";
    collective->done = std::move(done);
    communicator->Start(std::move(collective));
  };
  Pending first;
  start(first.Add());
  first.Wait();
  if (!survives) {
    WriteFile(settings.id_file + ".met", "");
    std::this_thread::sleep_for(std::chrono::duration<double>(kPatience));  // to be killed
    return 1;
  }
  if (!WaitForFile(settings.id_file + ".dead")) return 1;
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;
  start([&](const Status&) {
    std::lock_guard<std::mutex> lock(mutex);
    ended = true;
    changed.notify_all();
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const int64_t begin = NowNanos();
  communicator->Abort(Unavailable("rank 1 was killed"));
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait_for(lock, std::chrono::seconds(10), [&] { return ended; });
  const double seconds = 1e-9 * static_cast<double>(NowNanos() - begin);
  WriteFile(settings.id_file + ".seconds", std::to_string(seconds));
  return ended && seconds < 2 ? 0 : 1;
}

bool AbortAfterDeath(const Settings& settings, Figures* figures) {
  char folder[] = "/tmp/tf_ddl-gpu-XXXXXX";
  if (mkdtemp(folder) == nullptr) return false;
  Settings own = settings;
  own.id_file = std::string(folder) + "/id";
  const pid_t survivor = Spawn(own, "survivor"), victim = Spawn(own, "victim");
  bool good = survivor > 0 && victim > 0 && WaitForFile(own.id_file + ".met");
  if (victim > 0) {
    kill(victim, SIGKILL);
    WaitFor(victim);
  }
  WriteFile(own.id_file + ".dead", "");
  good = survivor > 0 && WaitFor(survivor) == 0 && good;
  const std::string seconds = ReadFile(own.id_file + ".seconds");
  for (const char* end : {"", ".met", ".dead", ".seconds"}) unlink((own.id_file + end).c_str());
  rmdir(folder);
  std::printf("\nabort after a peer was killed: %s\n",
              good ? ("all ended within " + seconds + " s").c_str() : "FAILED");
  if (good)
    figures->Target("abort after a peer was killed", std::atof(seconds.c_str()), "s", 2, true);
  return good;
}

}  // namespace tf_ddl::gpu
