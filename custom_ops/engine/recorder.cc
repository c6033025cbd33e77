#include "engine/recorder.h"

#include <cstdio>
#include <sstream>
#include <utility>

#include "base/time.h"

namespace tf_ddl {
namespace {

constexpr size_t kKeptCalls = 256;
constexpr size_t kKeptBuckets = 1024;

std::string SecondsText(int64_t nanos) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9f", static_cast<double>(nanos) * 1e-9);
  return text;
}

template <typename T, typename F>
std::string JsonList(const std::vector<T>& items, F&& format) {
  std::string text = "[";
  for (const T& item : items) {
    if (text.size() > 1) text += ",";
    text += format(item);
  }
  return text + "]";
}

}  // namespace

std::string JsonQuoted(const std::string& text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
      quoted += escaped;
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

void Recorder::EnableTimeline(bool enabled) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (enabled && !timeline_) calls_.clear();
  timeline_ = enabled;
}

bool Recorder::timeline_enabled() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return timeline_;
}

std::shared_ptr<CallRecord> Recorder::NewCall() {
  return timeline_enabled() ? std::make_shared<CallRecord>() : nullptr;
}

void Recorder::CallEnded(std::shared_ptr<CallRecord> record) {
  if (record == nullptr) return;
  std::lock_guard<std::mutex> lock(mutex_);
  calls_.push_back(std::move(record));
  if (calls_.size() > kKeptCalls) calls_.pop_front();
}

void Recorder::Count(int64_t* counter, int64_t n) {
  std::lock_guard<std::mutex> lock(mutex_);
  *counter += n;
}

void Recorder::CollectiveStarted(const std::string& plan, int64_t bytes, int64_t now) {
  std::lock_guard<std::mutex> lock(mutex_);
  ++plans_[plan];
  ++collectives_;
  bytes_ += bytes;
  if (in_flight_++ == 0) busy_since_ = now;
}

void Recorder::CollectiveEnded(int64_t now) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (--in_flight_ == 0) busy_nanos_ += now - busy_since_;
}

void Recorder::BucketTook(const std::string& plan, int64_t bytes, int64_t nanos) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (buckets_.size() >= kKeptBuckets && buckets_.count({plan, bytes}) == 0) return;
  Times& times = buckets_[{plan, bytes}];
  ++times.count;
  times.nanos += nanos;
}

std::string Recorder::BucketsJson() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::string text = "[";
  for (const auto& [key, times] : buckets_) {
    if (text.size() > 1) text += ",";
    text += "{\"plan\":" + JsonQuoted(key.first) + ",\"bytes\":" + std::to_string(key.second) +
            ",\"count\":" + std::to_string(times.count) +
            ",\"seconds\":" + SecondsText(times.nanos / times.count) + "}";
  }
  return text + "]";
}

std::string Recorder::StatsJson(const std::string& identity) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const int64_t busy = busy_nanos_ + (in_flight_ > 0 ? NowNanos() - busy_since_ : 0);
  std::ostringstream text;
  text << "{" << identity << "\"tensors\":" << tensors_ << ",\"collectives\":" << collectives_
       << ",\"bytes_reduced\":" << bytes_ << ",\"busy_seconds\":" << SecondsText(busy)
       << ",\"plans\":{";
  bool first = true;
  for (const auto& plan : plans_) {
    text << (first ? "" : ",") << JsonQuoted(plan.first) << ":" << plan.second;
    first = false;
  }
  text << "}}";
  return text.str();
}

std::string Recorder::TimelineJson() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::string text = "[";
  for (const auto& call : calls_) {
    if (text.size() > 1) text += ",";
    text += "{\"group\":" + JsonQuoted(call->group) + ",\"call\":" + std::to_string(call->number) +
            ",\"tensors\":" + JsonList(call->tensors, JsonQuoted) +
            ",\"arrived\":" + JsonList(call->arrived, SecondsText) + ",\"buckets\":" +
            JsonList(call->buckets,
                     [](const CallRecord::Bucket& bucket) {
                       return "{\"tensors\":" +
                              JsonList(bucket.tensors, [](int i) { return std::to_string(i); }) +
                              ",\"bytes\":" + std::to_string(bucket.bytes) +
                              ",\"plan\":" + JsonQuoted(bucket.plan) +
                              ",\"started\":" + SecondsText(bucket.started) +
                              ",\"ended\":" + SecondsText(bucket.ended) + "}";
                     }) +
            "}";
  }
  return text + "]";
}

}  // namespace tf_ddl
