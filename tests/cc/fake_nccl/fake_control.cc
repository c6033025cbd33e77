// TEST CODE: see fake_control.h.
#include "fake_control.h"

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

struct Injection {
  std::string function;
  int left = 0;  // calls until it acts
  int code = 0;
  bool block = false;
};

struct Control {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Injection> injections;
  std::map<std::string, int> calls;
  std::map<int, int> async_errors;
  std::map<int, std::pair<double, double>> take;  // by ranks: seconds, seconds per byte
  std::string misuse;
  int releases = 0;  // what is blocked goes on when this grows
  int aborts = 0;    // of communicators
};

// Never destroyed: threads of the fake device outlive main.
Control& control() {
  static Control* const instance = new Control;
  return *instance;
}

}  // namespace

extern "C" {

void fake_reset() {
  Control& c = control();
  std::lock_guard<std::mutex> lock(c.mutex);
  c.injections.clear();
  c.calls.clear();
  c.async_errors.clear();
  c.take.clear();
  c.misuse.clear();
  ++c.releases;
  c.changed.notify_all();
}

void fake_fail(const char* function, int n, int code) {
  Control& c = control();
  std::lock_guard<std::mutex> lock(c.mutex);
  c.injections.push_back({function, n, code, false});
}

void fake_block(const char* function, int n) {
  Control& c = control();
  std::lock_guard<std::mutex> lock(c.mutex);
  c.injections.push_back({function, n, 0, true});
}

void fake_unblock() {
  Control& c = control();
  std::lock_guard<std::mutex> lock(c.mutex);
  ++c.releases;
  c.changed.notify_all();
}

int fake_calls(const char* function) {
  Control& c = control();
  std::lock_guard<std::mutex> lock(c.mutex);
  return c.calls[function];
}

const char* fake_misuse() {
  Control& c = control();
  std::lock_guard<std::mutex> lock(c.mutex);
  static thread_local std::string text;
  text = c.misuse;
  return text.c_str();
}

void fake_async_error(int rank, int code) {
  Control& c = control();
  std::lock_guard<std::mutex> lock(c.mutex);
  c.async_errors[rank] = code;
}

void fake_take(int ranks, double seconds, double seconds_per_byte) {
  Control& c = control();
  std::lock_guard<std::mutex> lock(c.mutex);
  c.take[ranks] = {seconds, seconds_per_byte};
}

void fake_spend(int ranks, double bytes) {
  std::pair<double, double> take;
  {
    Control& c = control();
    std::lock_guard<std::mutex> lock(c.mutex);
    const auto found = c.take.find(ranks);
    if (found == c.take.end()) return;
    take = found->second;
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(take.first + bytes * take.second));
}

int fake_enter(const char* function, const std::atomic<bool>* aborted) {
  Control& c = control();
  std::unique_lock<std::mutex> lock(c.mutex);
  ++c.calls[function];
  for (size_t i = 0; i < c.injections.size(); ++i) {
    Injection& injection = c.injections[i];
    if (injection.function != function || --injection.left != 0) continue;
    const Injection now = injection;
    c.injections.erase(c.injections.begin() + i);
    if (!now.block) return now.code;
    const int releases = c.releases, aborts = c.aborts;
    c.changed.wait(lock, [&] {
      return c.releases != releases || (aborted == nullptr ? c.aborts != aborts : aborted->load());
    });
    return 0;
  }
  return 0;
}

void fake_note_misuse(const char* text) {
  Control& c = control();
  std::lock_guard<std::mutex> lock(c.mutex);
  c.misuse += std::string(text) + "\n";
}

void fake_note_abort() {
  Control& c = control();
  std::lock_guard<std::mutex> lock(c.mutex);
  ++c.aborts;
  c.changed.notify_all();
}

int fake_async_error_of(int rank) {
  Control& c = control();
  std::lock_guard<std::mutex> lock(c.mutex);
  const auto found = c.async_errors.find(rank);
  return found == c.async_errors.end() ? 0 : found->second;
}
}
