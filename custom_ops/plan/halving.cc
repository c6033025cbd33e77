#include <algorithm>

#include "plan/lanes.h"

namespace tf_ddl {

Lane HalvingLane(const Halving& halving, int rank, const Range& range) {
  const auto& active = halving.active;
  const int n = static_cast<int>(active.size());
  const int size = n + static_cast<int>(halving.folded.size());
  int doublings = 0;
  while (1 << doublings < n) ++doublings;
  const size_t fold = halving.folded.empty() ? 0 : 1;
  Lane lane;
  lane.rounds.resize(2 * (fold + doublings) + 1);
  Round& first = lane.rounds.front();
  Round& last = lane.rounds.back();

  const auto place = std::find(active.begin(), active.end(), rank);
  if (place == active.end()) {
    const size_t i =
        std::find(halving.folded.begin(), halving.folded.end(), rank) - halving.folded.begin();
    AddStep(&first, StepKind::kSend, halving.partner[i], range, Buffer::kInput);
    AddStep(&last, StepKind::kRecv, halving.partner[i], range, Buffer::kOutput);
    return lane;
  }

  Buffer from = Buffer::kInput;
  for (size_t i = 0; i < halving.folded.size(); ++i) {
    if (halving.partner[i] != rank) continue;
    AddStep(&first, StepKind::kRecvReduce, halving.folded[i], range, Buffer::kInput);
    AddStep(&last, StepKind::kSend, halving.folded[i], range, Buffer::kOutput);
    from = Buffer::kOutput;
  }
  // The largest messages go to the nearest partner: ranks of a host stand side by side.
  const int at = static_cast<int>(place - active.begin());
  Range held = range;
  for (int bit = 0; bit < doublings; ++bit) {
    const int partner = active[at ^ (1 << bit)];
    const int half = (at >> bit) & 1;
    const Range kept = Part(held, half, 2), given = Part(held, 1 - half, 2);
    Round& scatter = lane.rounds[fold + bit];
    AddStep(&scatter, StepKind::kSend, partner, given, from);
    AddStep(&scatter, StepKind::kRecvReduce, partner, kept, from);
    Round& gather = lane.rounds[fold + 2 * doublings - bit];
    AddStep(&gather, StepKind::kSend, partner, kept, Buffer::kOutput);
    AddStep(&gather, StepKind::kRecv, partner, given, Buffer::kOutput);
    held = kept;
    from = Buffer::kOutput;
  }
  AddStep(&lane.rounds[fold + doublings], size > 1 ? StepKind::kScale : StepKind::kCopy, -1, held,
          Buffer::kOutput);
  return lane;
}

}  // namespace tf_ddl
