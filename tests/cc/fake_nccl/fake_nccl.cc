// TEST CODE: see fake_control.h. NCCL's entry points; ranks are threads of one process.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <set>
#include <thread>

#include "fake_clique.h"
#include "fake_control.h"

using namespace tf_ddl;

namespace {

struct Comm {
  std::shared_ptr<FakeClique> clique;
  int rank = 0;
  bool blocking = true;
  std::atomic<int> state{kNcclSuccess};
  std::atomic<bool> aborted{false};
  std::atomic<bool> gone{false};  // destroyed or aborted: whoever comes now comes too late
  std::atomic<bool> finalized{false};
  std::atomic<int64_t> issued{0};
  int64_t next = 0;   // guarded by clique->mutex: the meeting whose turn it is on the streams
  int under_way = 0;  // guarded by clique->mutex: stream tasks and helper threads
  int splits = 0;
  std::mutex mutex;
  std::set<std::thread::id> threads;  // guarded by mutex: that called something but a query

  int world() const { return clique->world[rank]; }
};

Comm* AsComm(NcclComm comm) { return reinterpret_cast<Comm*>(comm); }

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

// Communicators stay: calls that come too late are to be noticed, not to crash.
Comm* NewComm() {
  static std::mutex mutex;
  static auto* const all = new std::vector<std::unique_ptr<Comm>>;
  std::lock_guard<std::mutex> lock(mutex);
  all->push_back(std::make_unique<Comm>());
  return all->back().get();
}

NcclResult Misuse(const std::string& what, NcclResult code = kNcclInvalidUsage) {
  fake_note_misuse(what.c_str());
  return code;
}

// Everything but queries and aborts: one thread, and only when the last call has ended.
NcclResult CheckUse(Comm* comm, const char* function) {
  if (comm == nullptr) return Misuse(std::string(function) + " without a communicator");
  if (comm->gone) return Misuse(std::string(function) + " after the communicator's end");
  {
    std::lock_guard<std::mutex> lock(comm->mutex);
    comm->threads.insert(std::this_thread::get_id());
    if (comm->threads.size() > 1) Misuse(std::string(function) + " from a second thread");
  }
  const int state = comm->state;
  if (state == kNcclInProgress) {
    return Misuse(std::string(function) + " before the last call has ended", kNcclInvalidArgument);
  }
  return static_cast<NcclResult>(state);
}

#define FAKE_ENTER() \
  if (const int code = fake_enter(__func__)) return static_cast<NcclResult>(code)

// An error within a group is the whole group's.
#define FAKE_ENTER_COLLECTIVE()                                       \
  if (const int code = fake_enter(__func__)) {                        \
    if (group.depth > 0) group.error = static_cast<NcclResult>(code); \
    return static_cast<NcclResult>(code);                             \
  }

// A stream's turn at a meeting: waits for all ranks, or for this one's abort.
void Meet(void* argument) {
  const std::unique_ptr<Issue> issue(static_cast<Issue*>(argument));
  Comm* comm = issue->comm;
  FakeClique& clique = *comm->clique;
  std::unique_lock<std::mutex> lock(clique.mutex);
  clique.changed.wait(lock, [&] { return comm->aborted || comm->next == issue->number; });
  if (!comm->aborted) {
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
  comm->clique->changed.wait(lock, [&] { return comm->aborted || met(); });
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
  std::snprintf(id->bytes, sizeof id->bytes, "fake %d", ++world().ids);
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
    if (clique == nullptr) known = clique = std::make_shared<FakeClique>(size);
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
    clique->changed.notify_all();
  }
  return Work(made, made->blocking, [made, clique] {
    return Await(made, [&] { return clique->num_joined == clique->size; });
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
    {
      std::lock_guard<std::mutex> lock(clique.mutex);
      FakeClique::Split& split = clique.splits[number];
      split.wishes.resize(clique.size);
      split.wishes[comm->rank] = std::make_unique<FakeClique::Wish>(FakeClique::Wish{color, key});
      if (++split.arrived == clique.size) {
        split.rank_in.resize(clique.size);
        std::map<int, std::map<int, int>> colors;  // color, key: rank
        for (int r = 0; r < clique.size; ++r) {
          colors[split.wishes[r]->color][split.wishes[r]->key] = r;
        }
        for (const auto& [each, members] : colors) {
          auto made = std::make_shared<FakeClique>(static_cast<int>(members.size()));
          int place = 0;
          for (const auto& [unused, r] : members) {
            split.rank_in[r] = place;
            made->world[place++] = clique.world[r];
          }
          split.cliques[each] = made;
        }
      }
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
  const int code = fake_enter(__func__);
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
  FAKE_ENTER_COLLECTIVE();
  return Add(comm, {FakeCall::kAllReduce, in, out, count, type, op}, stream, __func__);
}
NcclResult ncclReduceScatter(const void* in, void* out, size_t count, NcclDataType type,
                             NcclRedOp op, NcclComm comm, void* stream) {
  FAKE_ENTER_COLLECTIVE();
  return Add(comm, {FakeCall::kReduceScatter, in, out, count, type, op}, stream, __func__);
}
NcclResult ncclAllGather(const void* in, void* out, size_t count, NcclDataType type, NcclComm comm,
                         void* stream) {
  FAKE_ENTER_COLLECTIVE();
  return Add(comm, {FakeCall::kAllGather, in, out, count, type, kNcclSum}, stream, __func__);
}
}
