#include "capi/ddl.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "capi/completion.h"
#include "capi/internal.h"
#include "capi/order_check.h"
#include "engine/engine.h"
#include "rendezvous/store.h"

namespace {

using tf_ddl::Completion;
using tf_ddl::Copied;
using tf_ddl::Engine;
using tf_ddl::NoSuchEngine;
using tf_ddl::OrderCheck;
using tf_ddl::Report;
using tf_ddl::Status;
using tf_ddl::TextOf;

// Runs a blocking collective: `start` makes `calls` calls of the engine with the callback it gets.
// The order is looked at first: if it is wrong, the collective itself ends with the abort.
Status Run(Engine* engine, const char* call, int calls,
           const std::function<void(const Engine::Done&)>& start) {
  OrderCheck check(engine, TextOf(call));
  Completion completion(calls);
  engine->Lend(
      [&] {
        check.Start();
        start(completion.Callback());
      },
      [&] { return check.finished() && completion.finished(); });
  const Status order = check.Finish();
  const Status status = completion.Wait();
  return order.ok() ? status : order;
}

struct Stores {
  std::mutex mutex;
  int64_t next = 1;
  std::map<int64_t, std::unique_ptr<tf_ddl::Store>> by_handle;
};

Stores& GlobalStores() {
  static Stores* stores = new Stores;
  return *stores;
}

}  // namespace

int ddl_engine_shutdown(int64_t engine) {
  auto found = tf_ddl::FindEngine(engine);
  if (found == nullptr) return 0;
  found->Shutdown();
  tf_ddl::WithdrawEngine(engine);
  return 0;
}

int ddl_engine_abort(int64_t engine, int code, const char* message) {
  auto found = tf_ddl::FindEngine(engine);
  if (found == nullptr) return static_cast<int>(tf_ddl::Code::kFailedPrecondition);
  found->Abort(Status(static_cast<tf_ddl::Code>(code), TextOf(message)));
  return 0;
}

int ddl_engine_health(int64_t engine, char* error, size_t error_size) {
  auto found = tf_ddl::FindEngine(engine);
  return Report(found == nullptr ? NoSuchEngine() : found->health(), error, error_size);
}

int ddl_all_reduce(int64_t engine, uint64_t group, const char* call, int32_t n,
                   const void* const* in, void* const* out, const int64_t* counts, char* error,
                   size_t error_size) {
  auto found = tf_ddl::FindEngine(engine);
  if (found == nullptr) return Report(NoSuchEngine(), error, error_size);
  const Status status = Run(found.get(), call, n, [&](const Engine::Done& done) {
    for (int32_t i = 0; i < n; ++i) found->AllReduce(group, i, in[i], out[i], counts[i], done);
  });
  return Report(status, error, error_size);
}

int ddl_broadcast(int64_t engine, uint64_t group, const char* call, const void* in, void* out,
                  int64_t count, char* error, size_t error_size) {
  auto found = tf_ddl::FindEngine(engine);
  if (found == nullptr) return Report(NoSuchEngine(), error, error_size);
  const Status status = Run(found.get(), call, 1, [&](const Engine::Done& done) {
    found->Broadcast(group, in, out, count, done);
  });
  return Report(status, error, error_size);
}

int ddl_all_gather(int64_t engine, uint64_t group, const char* call, const void* in, int64_t count,
                   size_t element_bytes, int64_t* counts, void** out, char* error,
                   size_t error_size) {
  auto found = tf_ddl::FindEngine(engine);
  if (found == nullptr) return Report(NoSuchEngine(), error, error_size);
  *out = nullptr;
  auto allocate = [&](const std::vector<int64_t>& by_rank, void** place) {
    size_t total = 1;  // never malloc(0)
    for (size_t rank = 0; rank < by_rank.size(); ++rank) {
      counts[rank] = by_rank[rank];
      total += static_cast<size_t>(by_rank[rank]) * element_bytes;
    }
    *out = std::malloc(total);
    *place = *out;
    return *out == nullptr ? tf_ddl::Internal("out of memory") : tf_ddl::OkStatus();
  };
  const Status status = Run(found.get(), call, 1, [&](const Engine::Done& done) {
    found->AllGather(group, in, count, allocate, done);
  });
  if (!status.ok()) {
    std::free(*out);
    *out = nullptr;
  }
  return Report(status, error, error_size);
}

void ddl_free(void* memory) { std::free(memory); }

char* ddl_engine_stats(int64_t engine) {
  auto found = tf_ddl::FindEngine(engine);
  return found == nullptr ? nullptr : Copied(found->StatsJson());
}

char* ddl_engine_plans(int64_t engine) {
  auto found = tf_ddl::FindEngine(engine);
  return found == nullptr ? nullptr : Copied(found->PlansJson());
}

int ddl_engine_record_timeline(int64_t engine, int enabled) {
  auto found = tf_ddl::FindEngine(engine);
  if (found == nullptr) return static_cast<int>(tf_ddl::Code::kFailedPrecondition);
  found->RecordTimeline(enabled != 0);
  return 0;
}

char* ddl_engine_timeline(int64_t engine) {
  auto found = tf_ddl::FindEngine(engine);
  return found == nullptr ? nullptr : Copied(found->TimelineJson());
}

int ddl_store_create(const char* host, int32_t port, int32_t size, const char* secret,
                     double join_timeout, int64_t* store, int32_t* bound_port, char* error,
                     size_t error_size) {
  tf_ddl::StoreOptions options;
  options.host = TextOf(host);
  options.port = port;
  options.size = size;
  options.secret = TextOf(secret);
  options.join_timeout = join_timeout;
  std::unique_ptr<tf_ddl::Store> made;
  const Status status = tf_ddl::Store::Create(options, &made);
  if (!status.ok()) return Report(status, error, error_size);
  *bound_port = made->port();
  Stores& stores = GlobalStores();
  std::lock_guard<std::mutex> lock(stores.mutex);
  *store = stores.next++;
  stores.by_handle[*store] = std::move(made);
  return 0;
}

int ddl_store_destroy(int64_t store) {
  std::unique_ptr<tf_ddl::Store> found;
  Stores& stores = GlobalStores();
  std::lock_guard<std::mutex> lock(stores.mutex);
  auto it = stores.by_handle.find(store);
  if (it == stores.by_handle.end()) return 0;
  found = std::move(it->second);
  stores.by_handle.erase(it);
  return 0;
}

const char* ddl_build_info(void) {
#if defined(__clang__)
  return "clang " __clang_version__;
#elif defined(__GNUC__)
  return "gcc " __VERSION__;
#else
  return "unknown compiler";
#endif
}
