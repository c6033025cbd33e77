#include "plan/check_shape.h"

#include <algorithm>

#include "plan/ranges.h"

namespace tf_ddl {
namespace {

bool Receives(const Step& step) {
  return step.kind == StepKind::kRecv || step.kind == StepKind::kRecvReduce;
}

// What a message of a round does to the rank's output (or input: they may be one memory).
struct Touch {
  const Step* step;
  bool Clashes(const Touch& other) const {
    if (step->kind == StepKind::kSend && other.step->kind == StepKind::kSend) return false;
    return step->kind != StepKind::kRecvReduce || other.step->kind != StepKind::kRecvReduce;
  }
};

Status CheckStep(const Plan& plan, const Step& step) {
  if (step.begin < 0 || step.begin > step.end || step.end > plan.count) {
    return Internal("there are " + std::to_string(plan.count) + " elements");
  }
  const bool message = Receives(step) || step.kind == StepKind::kSend;
  if (message && (step.peer < 0 || step.peer >= plan.size || step.peer == plan.rank)) {
    return Internal("there is no such peer");
  }
  const bool slots = step.kind == StepKind::kReduceSlots || step.buffer == Buffer::kScratch;
  if (slots && !plan.needs_scratch) return Internal("the plan does not ask for scratch");
  if (step.kind == StepKind::kSend && step.buffer == Buffer::kScratch) {
    return Internal("scratch is not sent");
  }
  if (step.kind == StepKind::kRecv && step.buffer == Buffer::kInput) {
    return Internal("input is not written");
  }
  return OkStatus();
}

Status CheckRound(const Plan& plan, const Round& round) {
  std::vector<Touch> touches;
  std::vector<int> to, from;
  for (const Step& step : round.steps) {
    const Status status = CheckStep(plan, step);
    if (!status.ok()) return status.Prefixed(StepText(step));
    if (step.kind == StepKind::kSend) to.push_back(step.peer);
    if (Receives(step)) from.push_back(step.peer);
    const bool into_scratch = step.kind == StepKind::kRecv && step.buffer == Buffer::kScratch;
    const bool message = step.kind == StepKind::kSend || Receives(step);
    if (message && !into_scratch && step.begin < step.end) touches.push_back({&step});
  }
  for (auto* peers : {&to, &from}) {
    std::sort(peers->begin(), peers->end());
    const auto twice = std::adjacent_find(peers->begin(), peers->end());
    if (twice != peers->end()) {
      return Internal("two messages " + std::string(peers == &to ? "to" : "from") + " rank " +
                      std::to_string(*twice));
    }
  }
  std::sort(touches.begin(), touches.end(),
            [](const Touch& a, const Touch& b) { return a.step->begin < b.step->begin; });
  for (size_t i = 0; i < touches.size(); ++i) {
    for (size_t j = i + 1; j < touches.size() && touches[j].step->begin < touches[i].step->end;
         ++j) {
      if (touches[i].Clashes(touches[j])) {
        return Internal(StepText(*touches[i].step) + " and " + StepText(*touches[j].step) +
                        " touch the same elements at the same time");
      }
    }
  }
  return OkStatus();
}

// Lanes of one rank may run at the same time.
Status CheckLanesApart(const Plan& plan) {
  struct Piece {
    Range range;
    size_t lane;
  };
  std::vector<Piece> all;
  for (size_t l = 0; l < plan.lanes.size(); ++l) {
    std::vector<Piece> pieces;
    for (const Round& round : plan.lanes[l].rounds) {
      for (const Step& step : round.steps) {
        if (step.begin < step.end) pieces.push_back({{step.begin, step.end}, l});
      }
    }
    const auto by_begin = [](const Piece& a, const Piece& b) {
      return a.range.begin < b.range.begin;
    };
    std::sort(pieces.begin(), pieces.end(), by_begin);
    for (const Piece& piece : pieces) {
      if (!all.empty() && all.back().lane == l && piece.range.begin <= all.back().range.end) {
        all.back().range.end = std::max(all.back().range.end, piece.range.end);
      } else {
        all.push_back(piece);
      }
    }
  }
  std::sort(all.begin(), all.end(),
            [](const Piece& a, const Piece& b) { return a.range.begin < b.range.begin; });
  for (size_t i = 0; i + 1 < all.size(); ++i) {
    if (all[i + 1].range.begin < all[i].range.end) {
      return Internal("rank " + std::to_string(plan.rank) + ": lanes " +
                      std::to_string(all[i].lane) + " and " + std::to_string(all[i + 1].lane) +
                      " both touch element " + std::to_string(all[i + 1].range.begin));
    }
  }
  return OkStatus();
}

}  // namespace

std::string PlaceName(int rank, size_t lane, size_t round) {
  return "rank " + std::to_string(rank) + ", lane " + std::to_string(lane) + ", round " +
         std::to_string(round);
}

std::string StepText(const Step& step) {
  static const char* kKinds[] = {"send to rank ", "receive from rank ", "sum with rank ",
                                 "sum of slots",  "division",           "copy"};
  std::string text = kKinds[static_cast<int>(step.kind)];
  if (step.kind <= StepKind::kRecvReduce) text += std::to_string(step.peer);
  return text + " of elements [" + std::to_string(step.begin) + ", " + std::to_string(step.end) +
         ")";
}

Status CheckShape(const std::vector<Plan>& plans) {
  if (plans.empty()) return Internal("no plans");
  for (size_t rank = 0; rank < plans.size(); ++rank) {
    const Plan& plan = plans[rank];
    const Plan& first = plans[0];
    if (plan.rank != static_cast<int>(rank) || plan.size != static_cast<int>(plans.size()) ||
        plan.count != first.count || plan.lanes.size() != first.lanes.size()) {
      return Internal("the plan of rank " + std::to_string(rank) + " is of another collective");
    }
    for (size_t l = 0; l < plan.lanes.size(); ++l) {
      const Lane& lane = plan.lanes[l];
      if (lane.colour != first.lanes[l].colour || lane.rail != first.lanes[l].rail) {
        return Internal(PlaceName(plan.rank, l, 0) + ": another colour or rail than on rank 0");
      }
      for (size_t r = 0; r < lane.rounds.size(); ++r) {
        const Status status = CheckRound(plan, lane.rounds[r]);
        if (!status.ok()) return status.Prefixed(PlaceName(plan.rank, l, r));
      }
    }
    DDL_RETURN_IF_ERROR(CheckLanesApart(plan));
  }
  return OkStatus();
}

}  // namespace tf_ddl
