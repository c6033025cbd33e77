// TEST CODE: see fake_control.h. NCCL's entry points; ranks are threads of one process, or
// processes (fake_processes.h).
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <set>
#include <thread>

#include "fake_comm.h"
#include "fake_control.h"
#include "fake_processes.h"

using namespace fake;

namespace {

struct Issue {
  Comm* comm;
  int64_t number;
  std::vector<FakeCall> calls;
};

struct Group {
  int depth = 0;
  struct Entry {
    Comm* comm;
    FakeCall call;
    void* stream;
  };
  std::vector<Entry> entries;
  NcclResult error = kNcclSuccess;
};
thread_local Group group;

#define FAKE_ENTER() \
  if (const int code = fake_enter(__func__, nullptr)) return static_cast<NcclResult>(code)

// An error within a group is the whole group's.
#define FAKE_ENTER_COLLECTIVE(comm)                                    \
  if (const int code = fake_enter(__func__, &AsComm(comm)->aborted)) { \
    if (group.depth > 0) group.error = static_cast<NcclResult>(code);  \
    return static_cast<NcclResult>(code);                              \
  }

// A stream's turn at a meeting: waits for all ranks, or for this one's abort.
void Meet(void* argument) {
  const std::unique_ptr<Issue> issue(static_cast<Issue*>(argument));
  Comm* comm = issue->comm;
  FakeClique& clique = *comm->clique;
  double bytes = 0;
  for (const FakeCall& call : issue->calls) bytes += call.count * FakeBytes(call.type);
  fake_spend(clique.size, bytes);
  std::unique_lock<std::mutex> lock(clique.mutex);
  clique.changed.wait(lock, [&] { return comm->aborted || comm->next == issue->number; });
  if (comm->processes != nullptr) {
    lock.unlock();
    comm->processes->Reduce(comm->place, comm->rank, issue->number, issue->calls,
                            [comm] { return comm->aborted.load(); });
    lock.lock();
    ++comm->next;
  } else if (!comm->aborted) {
    FakeMeeting& meeting = clique.meetings[issue->number];
    meeting.calls.resize(clique.size);
    meeting.calls[comm->rank] = std::move(issue->calls);
    if (++meeting.arrived == clique.size) {
      FakeReduce(clique, &meeting);
      meeting.done = true;
    } else {
      clique.changed.notify_all();
      // std::map: the meeting stays where it is while others come and go.
      clique.changed.wait(lock, [&] { return comm->aborted || meeting.done; });
    }
    // Who was aborted takes its memory away: the meeting never becomes complete.
    --meeting.arrived;
    if (meeting.done && meeting.arrived == 0) clique.meetings.erase(issue->number);
    ++comm->next;
  }
  --comm->under_way;
  clique.changed.notify_all();
}

// On a thread of its own, as a non-blocking communicator works; or here.
template <typename Body>
NcclResult Work(Comm* comm, bool blocking, Body body) {
  {
    std::lock_guard<std::mutex> lock(comm->clique->mutex);
    ++comm->under_way;
  }
  const auto whole = [comm, body] {
    const NcclResult result = body();
    std::lock_guard<std::mutex> lock(comm->clique->mutex);
    int expected = kNcclInProgress;
    comm->state.compare_exchange_strong(expected, result);
    --comm->under_way;
    comm->clique->changed.notify_all();
    return result;
  };
  if (blocking) return whole();
  comm->state = kNcclInProgress;
  std::thread([whole] {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    whole();
  }).detach();
  return kNcclInProgress;
}

NcclResult Launch(const std::vector<Group::Entry>& entries) {
  std::vector<Comm*> comms;
  for (const Group::Entry& entry : entries) {
    if (std::find(comms.begin(), comms.end(), entry.comm) == comms.end()) {
      comms.push_back(entry.comm);
    }
  }
  NcclResult result = kNcclSuccess;
  for (Comm* comm : comms) {
    auto* issue = new Issue{comm, comm->issued++, {}};
    void* stream = nullptr;
    for (const Group::Entry& entry : entries) {
      if (entry.comm != comm) continue;
      issue->calls.push_back(entry.call);
      stream = entry.stream;
    }
    const NcclResult launched = Work(comm, comm->blocking, [issue, stream, comm] {
      {
        std::lock_guard<std::mutex> lock(comm->clique->mutex);
        ++comm->under_way;
      }
      fake_enqueue(stream, Meet, issue);
      return kNcclSuccess;
    });
    if (launched != kNcclSuccess) result = launched;
  }
  return result;
}

NcclResult Add(NcclComm handle, const FakeCall& call, void* stream, const char* function) {
  Comm* comm = AsComm(handle);
  const NcclResult state = CheckUse(comm, function);
  if (state != kNcclSuccess) {
    if (group.depth > 0 && group.error == kNcclSuccess) group.error = state;
    return state;
  }
  if (group.depth == 0) return Launch({{comm, call, stream}});
  group.entries.push_back({comm, call, stream});
  return kNcclSuccess;
}

struct World {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<FakeClique>> cliques;  // by unique id
  int ids = 0;
};
World& world() {
  static World* const instance = new World;
  return *instance;
}

// Waits, unless the communicator is aborted first, until `met` says so.
template <typename Met>
NcclResult Await(Comm* comm, Met met) {
  std::unique_lock<std::mutex> lock(comm->clique->mutex);
  // Other processes cannot notify.
  while (!comm->aborted && !met()) {
    comm->clique->changed.wait_for(lock, std::chrono::milliseconds(1));
  }
  return comm->aborted ? kNcclInternalError : kNcclSuccess;
}

}  // namespace

extern "C" {

NcclResult ncclGetVersion(int* version) {
  FAKE_ENTER();
  const char* text = std::getenv("FAKE_NCCL_VERSION");
  *version = text == nullptr ? 23007 : std::atoi(text);
  return kNcclSuccess;
}

NcclResult ncclGetUniqueId(NcclUniqueId* id) {
  FAKE_ENTER();
  std::lock_guard<std::mutex> lock(world().mutex);
  std::memset(id, 0, sizeof *id);
  FakeProcesses::MakeId(world().ids++, id->bytes);
  id->bytes[127] = 'z';  // all 128 bytes count
  return kNcclSuccess;
}

const char* ncclGetErrorString(NcclResult code) {
  return code == kNcclRemoteError ? "remote process exited or there was a network error"
                                  : "an error of the fake NCCL";
}
const char* ncclGetLastError(NcclComm) { return "said by the fake NCCL"; }

NcclResult ncclCommInitRankConfig(NcclComm* comm, int size, NcclUniqueId id, int rank,
                                  NcclConfig* config) {
  FAKE_ENTER();
  if (config->size < 16 || config->magic != 0xcafebeef || config->version < 21400) {
    return Misuse("ncclConfig_t is not initialised", kNcclInvalidArgument);
  }
  if (size < 1 || rank < 0 || rank >= size) return kNcclInvalidArgument;
  std::shared_ptr<FakeClique> clique;
  {
    std::lock_guard<std::mutex> lock(world().mutex);
    std::weak_ptr<FakeClique>& known = world().cliques[std::string(id.bytes, sizeof id.bytes)];
    clique = known.lock();
    if (clique == nullptr) {
      known = clique = std::make_shared<FakeClique>(size);
      clique->processes = FakeProcesses::Open(id.bytes, size);
    }
  }
  Comm* made = NewComm();
  made->clique = clique;
  made->rank = rank;
  made->blocking = config->blocking != 0;
  *comm = reinterpret_cast<NcclComm>(made);
  {
    std::lock_guard<std::mutex> lock(clique->mutex);
    if (clique->size != size || clique->joined[rank]) {
      return Misuse("ranks do not agree who is who", kNcclInvalidArgument);
    }
    clique->joined[rank] = true;
    clique->world[rank] = rank;
    ++clique->num_joined;
    if (clique->processes != nullptr) clique->processes->Join(rank);
    clique->changed.notify_all();
  }
  return Work(made, made->blocking, [made, clique] {
    FakeProcesses* processes = clique->processes.get();
    const NcclResult met = Await(made, [&] {
      return clique->num_joined == clique->size ||
             (processes != nullptr && processes->all_joined());
    });
    if (met == kNcclSuccess && processes != nullptr && processes->several()) {
      std::lock_guard<std::mutex> lock(clique->mutex);
      for (int r = 0; r < clique->size; ++r) clique->world[r] = r;
      made->processes = clique->processes;
    }
    return met;
  });
}

NcclResult ncclCommSplit(NcclComm handle, int color, int key, NcclComm* newcomm,
                         NcclConfig* config) {
  FAKE_ENTER();
  Comm* comm = AsComm(handle);
  const NcclResult state = CheckUse(comm, __func__);
  if (state != kNcclSuccess) return state;
  *newcomm = nullptr;
  const int number = comm->splits++;
  const bool blocking =
      config == nullptr || config->blocking == kNcclUndefInt ? comm->blocking : config->blocking;
  return Work(comm, comm->blocking, [=] {
    FakeClique& clique = *comm->clique;
    if (comm->processes != nullptr) {
      if (!comm->processes->Meet(number, comm->rank, [comm] { return comm->aborted.load(); })) {
        return kNcclInternalError;
      }
      // All of them again, as ranks that share no host or a grid of one dimension want it.
      if (key != comm->rank) return Misuse("processes are split in one way only");
      Comm* made = NewComm();
      made->clique = std::make_shared<FakeClique>(clique.size);
      made->clique->world = clique.world;
      made->processes = comm->processes;
      made->place = number + 1;
      made->rank = comm->rank;
      made->blocking = blocking;
      *newcomm = reinterpret_cast<NcclComm>(made);
      return kNcclSuccess;
    }
    {
      std::lock_guard<std::mutex> lock(clique.mutex);
      FakeClique::Split& split = clique.splits[number];
      split.wishes.resize(clique.size);
      split.wishes[comm->rank] = std::make_unique<FakeClique::Wish>(FakeClique::Wish{color, key});
      if (++split.arrived == clique.size) FakeSplit(&clique, &split);
      clique.changed.notify_all();
    }
    const NcclResult met =
        Await(comm, [&] { return clique.splits[number].arrived == clique.size; });
    if (met != kNcclSuccess) return met;
    Comm* made = NewComm();
    std::lock_guard<std::mutex> lock(clique.mutex);
    made->clique = clique.splits[number].cliques[color];
    made->rank = clique.splits[number].rank_in[comm->rank];
    made->blocking = blocking;
    *newcomm = reinterpret_cast<NcclComm>(made);
    return kNcclSuccess;
  });
}

NcclResult ncclCommGetAsyncError(NcclComm handle, NcclResult* error) {
  FAKE_ENTER();
  Comm* comm = AsComm(handle);
  if (comm->gone) return Misuse("ncclCommGetAsyncError after the communicator's end");
  *error = static_cast<NcclResult>(comm->state.load());
  if (*error == kNcclSuccess) *error = static_cast<NcclResult>(fake_async_error_of(comm->world()));
  return kNcclSuccess;
}

NcclResult ncclCommFinalize(NcclComm handle) {
  FAKE_ENTER();
  Comm* comm = AsComm(handle);
  const NcclResult state = CheckUse(comm, __func__);
  if (state != kNcclSuccess) return state;
  if (comm->finalized.exchange(true)) return Misuse("ncclCommFinalize twice");
  return Work(comm, comm->blocking, [comm] {
    return Await(comm, [&] { return comm->under_way == 1; });  // no more than this one
  });
}

NcclResult ncclCommDestroy(NcclComm handle) {
  FAKE_ENTER();
  Comm* comm = AsComm(handle);
  const NcclResult state = CheckUse(comm, __func__);
  if (state != kNcclSuccess) return state;
  if (!comm->finalized) Misuse("ncclCommDestroy without ncclCommFinalize");
  comm->gone = true;
  return kNcclSuccess;
}

NcclResult ncclCommAbort(NcclComm handle) {
  FAKE_ENTER();
  Comm* comm = AsComm(handle);
  if (comm->gone) return Misuse("ncclCommAbort after the communicator's end");
  {
    std::lock_guard<std::mutex> lock(comm->clique->mutex);
    comm->aborted = true;
    comm->clique->changed.notify_all();
  }
  fake_note_abort();
  std::unique_lock<std::mutex> lock(comm->clique->mutex);
  comm->clique->changed.wait(lock, [&] { return comm->under_way == 0; });
  comm->gone = true;
  return kNcclSuccess;
}

NcclResult ncclGroupStart() {
  FAKE_ENTER();
  ++group.depth;
  return kNcclSuccess;
}

NcclResult ncclGroupEnd() {
  const bool ends = group.depth == 1 && !group.entries.empty();
  const int code = fake_enter(__func__, ends ? &group.entries[0].comm->aborted : nullptr);
  if (group.depth == 0) return Misuse("ncclGroupEnd without ncclGroupStart");
  if (--group.depth > 0) return static_cast<NcclResult>(code);
  Group now;
  std::swap(now, group);
  if (code != 0) return static_cast<NcclResult>(code);
  if (now.error != kNcclSuccess) return now.error;
  for (const Group::Entry& entry : now.entries) {
    if (entry.comm->gone) return Misuse("ncclGroupEnd after the communicator's end");
  }
  return Launch(now.entries);
}

NcclResult ncclAllReduce(const void* in, void* out, size_t count, NcclDataType type, NcclRedOp op,
                         NcclComm comm, void* stream) {
  FAKE_ENTER_COLLECTIVE(comm);
  return Add(comm, {FakeCall::kAllReduce, in, out, count, type, op}, stream, __func__);
}
NcclResult ncclReduceScatter(const void* in, void* out, size_t count, NcclDataType type,
                             NcclRedOp op, NcclComm comm, void* stream) {
  FAKE_ENTER_COLLECTIVE(comm);
  return Add(comm, {FakeCall::kReduceScatter, in, out, count, type, op}, stream, __func__);
}
NcclResult ncclAllGather(const void* in, void* out, size_t count, NcclDataType type, NcclComm comm,
                         void* stream) {
  FAKE_ENTER_COLLECTIVE(comm);
  return Add(comm, {FakeCall::kAllGather, in, out, count, type, kNcclSum}, stream, __func__);
}
}
