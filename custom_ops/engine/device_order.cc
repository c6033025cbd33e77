#include "engine/device_order.h"

#include <algorithm>
#include <sstream>
#include <utility>

namespace tf_ddl {
namespace {

constexpr int kFanOut = 8;

}  // namespace

std::string DeviceOrder::Take() {
  std::ostringstream text;
  for (const DeviceTurn& turn : std::exchange(told_, {})) {
    text << turn.bucket.group << ' ' << turn.bucket.call << ' ' << turn.bucket.bucket << ' '
         << turn.plan.chunk_bytes << ' ' << turn.plan.grid.size();
    for (int length : turn.plan.grid) text << ' ' << length;
    text << '\n';
  }
  return text.str();
}

Status DeviceOrder::Add(const std::string& payload) {
  const Status malformed = Internal("rank 0 sent an order of GPU buckets that makes no sense");
  std::istringstream text(payload);
  std::vector<DeviceTurn> turns;
  while (text >> std::ws, !text.eof()) {
    DeviceTurn turn;
    size_t dims = 0;
    text >> turn.bucket.group >> turn.bucket.call >> turn.bucket.bucket >> turn.plan.chunk_bytes >>
        dims;
    if (!text || turn.bucket.bucket < 0 || turn.plan.chunk_bytes < 0 || dims > payload.size()) {
      return malformed;
    }
    turn.plan.grid.resize(dims);
    for (int& length : turn.plan.grid) text >> length;
    if (!text) return malformed;
    turns.push_back(std::move(turn));
  }
  turns_.insert(turns_.end(), turns.begin(), turns.end());
  return OkStatus();
}

bool DeviceOrder::Next(DeviceTurn* turn) {
  if (turns_.empty()) return false;
  const auto complete = complete_.find(turns_.front().bucket);
  if (complete == complete_.end()) return false;
  complete_.erase(complete);
  *turn = std::move(turns_.front());
  turns_.pop_front();
  return true;
}

std::vector<int> FanOut(int rank, int size) {
  std::vector<int> ranks;
  for (int i = 1; i <= kFanOut; ++i) {
    const int64_t child = static_cast<int64_t>(rank) * kFanOut + i;
    if (child < size) ranks.push_back(static_cast<int>(child));
  }
  return ranks;
}

}  // namespace tf_ddl
