#include "comm/pair_communicator.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "transport/abort_text.h"

namespace tf_ddl {
namespace {

// While data moves through shared memory, sockets are looked at once in this many polls.
constexpr int kPollsPerSocketCheck = 64;
// How long Close may take to push out the last control frames.
constexpr int kCloseMillis = 500;
// A host whose answer is due for this long is worth a word when a collective waits for it.
constexpr double kSilentSeconds = 1.0;

// ", which does not answer on eth1 (10.2.0.2)"
std::string Silence(const Pair& pair) {
  for (const LinkStats& link : pair.Links()) {
    if (link.silent_seconds < kSilentSeconds) continue;
    return ", which does not answer on " + (link.interface.empty() ? "" : link.interface + " ") +
           "(" + link.peer_address + ")";
  }
  return "";
}

}  // namespace

Status PairCommunicator::Create(int rank, Mesh mesh, Topology topology, const CommOptions& options,
                                std::unique_ptr<PairCommunicator>* communicator) {
  std::unique_ptr<PairCommunicator> made(
      new PairCommunicator(rank, std::move(mesh), std::move(topology), options));
  DDL_RETURN_IF_ERROR(made->OpenPoller());
  *communicator = std::move(made);
  return OkStatus();
}

PairCommunicator::PairCommunicator(int rank, Mesh mesh, Topology topology,
                                   const CommOptions& options)
    : rank_(rank),
      mesh_(std::move(mesh)),
      topology_(std::move(topology)),
      options_(options),
      links_(UsualLinks(static_cast<int>(topology_.rails.size()))) {
  const size_t size = mesh_.pairs.size();
  readable_.assign(size, true);
  want_write_.resize(size);
  gone_.assign(size, false);
  wires_.waiting.assign(size, 0);
  wires_.narrow.assign(size, false);
  wires_.by_rail.assign(size, false);
  wires_.rails.resize(topology_.rails.size());
  for (const auto& pair : mesh_.pairs) {
    wires_.pairs.push_back(pair.get());
    if (pair == nullptr) continue;
    pair->set_events(this);
    want_write_[pair->peer()].assign(pair->num_sockets(), false);
    all_pull_ = all_pull_ && pair->can_pull();
    any_pull_ = any_pull_ || pair->can_pull();
    const bool tcp = std::string(pair->transport()) == "tcp";
    all_memory_ = all_memory_ && !tcp;
    wires_.by_rail[pair->peer()] = tcp;
    wires_.narrow[pair->peer()] = tcp || options_.narrow_all;
  }
}

PairCommunicator::~PairCommunicator() {
  Close(OkStatus());
  if (epoll_fd_ >= 0) close(epoll_fd_);
  if (wake_fd_ >= 0) close(wake_fd_);
}

Status PairCommunicator::OpenPoller() {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd_ < 0) return ErrnoStatus("epoll_create1", errno);
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) return ErrnoStatus("eventfd", errno);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = static_cast<uint32_t>(rank_);
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event) != 0) {
    return ErrnoStatus("epoll_ctl", errno);
  }
  for (int peer = 0; peer < size(); ++peer) {
    if (wires_.pairs[peer] == nullptr) continue;
    event.data.u32 = static_cast<uint32_t>(peer);
    for (int i = 0; i < wires_.pairs[peer]->num_sockets(); ++i) {
      if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wires_.pairs[peer]->fd(i), &event) != 0) {
        return ErrnoStatus("epoll_ctl", errno);
      }
    }
  }
  return OkStatus();
}

void PairCommunicator::ForgetSockets(int peer) {
  const Pair& pair = *wires_.pairs[peer];
  for (int i = 0; i < pair.num_sockets(); ++i) {
    epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, pair.fd(i), nullptr);
  }
}

std::string PairCommunicator::HostOf(int rank) const { return mesh_.peers[rank].hostname; }

std::vector<LinkStats> PairCommunicator::LinksTo(int rank) const {
  return rank == rank_ ? std::vector<LinkStats>() : mesh_.pairs[rank]->LinksWritten();
}

std::string PairCommunicator::TransportTo(int rank) const {
  return rank == rank_ ? "self" : mesh_.pairs[rank]->transport();
}

std::vector<LinkStats> PairCommunicator::ReadLinksTo(int rank) const {
  return rank == rank_ ? std::vector<LinkStats>() : mesh_.pairs[rank]->Links();
}

std::vector<RailUse> PairCommunicator::RailUses() const {
  std::vector<RailUse> uses;
  for (const RailMeter& rail : wires_.rails) uses.push_back(rail.use());
  return uses;
}

int PairCommunicator::max_sockets() const {
  int most = 1;
  for (const auto& pair : mesh_.pairs) {
    if (pair != nullptr) most = std::max(most, pair->sockets_per_rail());
  }
  return most;
}

void PairCommunicator::UseSockets(int n) {
  for (const auto& pair : mesh_.pairs) {
    if (pair != nullptr) pair->UseSockets(n);
  }
}

void PairCommunicator::Start(std::unique_ptr<Collective> collective) {
  if (failed_ || closed_) return;  // its caller has been told through OnFailure
  // The same on all ranks; sums are rounded only where that saves something.
  if (topology_.OnOneHost() && !options_.narrow_all) collective->wire = WireFormat::kAsIs;
  if (any_pull_ && options_.huge_pages) {
    const size_t width = SizeOf(collective->dtype);
    for (const TensorSegment& segment : collective->segments) {
      const size_t bytes = static_cast<size_t>(segment.count) * width;
      if (segment.in != nullptr) huge_pages_.Cover(segment.in, bytes);
      if (segment.out != segment.in) huge_pages_.Cover(segment.out, bytes);
    }
  }
  auto run = std::make_unique<PlanRun>(std::move(collective), options_.max_lanes, &wires_);
  PlanRun* started = run.get();
  runs_.push_back(std::move(run));
  // The first rounds start here; the end of the run is seen by Poll, never inside Start.
  wires_.ready.push_back(started);
}

void PairCommunicator::SendControl(int peer, ControlKind kind, const std::string& payload) {
  if (failed_ || closed_ || gone_[peer]) return;
  wires_.pairs[peer]->SendControl(kind, payload);
}

void PairCommunicator::Hold(int peer, ControlKind kind, std::string payload) {
  held_.push_back({peer, kind, std::move(payload)});
}

bool PairCommunicator::Poll() {
  if (failed_ || closed_) return false;
  bool moved = false;
  for (Held& held : std::exchange(held_, {})) {
    if (held.kind == ControlKind::kBye) {
      if (!failed_) events_->OnBye(held.peer);
    } else {
      OnControl(held.peer, held.kind, held.payload);
    }
  }
  if (++polls_since_check_ >= kPollsPerSocketCheck) CheckSockets();
  for (int peer = 0; peer < size() && !failed_; ++peer) {
    Pair* pair = wires_.pairs[peer];
    if (pair == nullptr) continue;
    const bool check = readable_[peer];
    readable_[peer] = false;
    if (pair->Poll(check)) {
      moved = true;
      readable_[peer] = readable_[peer] || check;  // there may be more behind it
    }
  }
  while (!wires_.ready.empty() && !failed_) {
    PlanRun* run = wires_.ready.front();
    wires_.ready.pop_front();
    moved = true;
    if (!run->Advance()) continue;
    auto done = run->TakeDone();
    runs_.erase(std::find_if(runs_.begin(), runs_.end(),
                             [run](const auto& owned) { return owned.get() == run; }));
    done();
  }
  if (!moved) CheckGonePeers();
  return moved;
}

// A peer that said goodbye will neither send nor take anything any more. What it sent before may
// still lie in its pair, wanted by a round that has only just started; so this is asked when
// nothing moves.
void PairCommunicator::CheckGonePeers() {
  for (int peer = 0; peer < size() && !failed_; ++peer) {
    if (gone_[peer] && wires_.waiting[peer] > 0) {
      OnFailure(peer, Unavailable("rank " + std::to_string(peer) + " (" + HostOf(peer) +
                                  ") has left the job: its program ended while rank " +
                                  std::to_string(rank_) + " still waits for it"));
    }
  }
}

void PairCommunicator::UpdateInterest() {
  for (int peer = 0; peer < size(); ++peer) {
    Pair* pair = wires_.pairs[peer];
    if (pair == nullptr || gone_[peer]) continue;
    for (int i = 0; i < pair->num_sockets(); ++i) {
      const bool wants = pair->wants_write(i);
      if (wants == want_write_[peer][i]) continue;
      want_write_[peer][i] = wants;
      epoll_event event{};
      event.events = wants ? EPOLLIN | EPOLLOUT : EPOLLIN;
      event.data.u32 = static_cast<uint32_t>(peer);
      epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, pair->fd(i), &event);
    }
  }
}

void PairCommunicator::Note(const epoll_event* events, int n) {
  for (int i = 0; i < n; ++i) {
    const int peer = static_cast<int>(events[i].data.u32);
    if (peer == rank_) {
      // In this order: a Wake between the two need not write, since what it announces is looked at
      // after this. The other way round its write could be read here, and no later one would come.
      uint64_t ignored;
      ssize_t got = read(wake_fd_, &ignored, sizeof ignored);
      (void)got;  // the wake-up itself is all there is to know
      wake_pending_.exchange(false);
    } else {
      readable_[peer] = true;
    }
  }
}

void PairCommunicator::CheckSockets() {
  polls_since_check_ = 0;
  UpdateInterest();
  epoll_event events[64];
  Note(events, epoll_wait(epoll_fd_, events, 64, 0));
}

bool PairCommunicator::PrepareSleep() {
  if (!wires_.ready.empty()) return false;
  UpdateInterest();
  if (failed_ || closed_) return true;
  bool may_sleep = true;
  for (Pair* pair : wires_.pairs) {
    if (pair != nullptr && !pair->PrepareSleep()) may_sleep = false;
  }
  if (!may_sleep) CancelSleep();
  return may_sleep;
}

void PairCommunicator::Sleep(Deadline deadline) {
  num_slept_ =
      epoll_wait(epoll_fd_, slept_.data(), static_cast<int>(slept_.size()), MillisLeft(deadline));
}

void PairCommunicator::AfterSleep() {
  CancelSleep();
  Note(slept_.data(), std::exchange(num_slept_, 0));
}

void PairCommunicator::CancelSleep() {
  if (failed_ || closed_) return;
  for (Pair* pair : wires_.pairs) {
    if (pair != nullptr) pair->CancelSleep();
  }
}

void PairCommunicator::HoldBells(bool hold) {
  if (failed_ || closed_) return;
  for (Pair* pair : wires_.pairs) {
    if (pair != nullptr) pair->HoldBells(hold);
  }
}

void PairCommunicator::Wake() {
  if (wake_pending_.exchange(true)) return;
  const uint64_t one = 1;
  ssize_t put = write(wake_fd_, &one, sizeof one);
  (void)put;  // cannot fail: the counter is far from full
}

void PairCommunicator::Close(const Status& status) {
  if (closed_) return;
  closed_ = true;
  const std::string payload = status.ok() ? "" : AbortText(status);
  for (int peer = 0; peer < size(); ++peer) {
    Pair* pair = wires_.pairs[peer];
    if (pair == nullptr || gone_[peer]) continue;
    pair->SendControl(status.ok() ? ControlKind::kBye : ControlKind::kAbort, payload);
  }
  const Deadline deadline = DeadlineIn(kCloseMillis / 1000.0);
  for (Pair* pair : wires_.pairs) {
    if (pair == nullptr) continue;
    ForgetSockets(pair->peer());
    pair->Close(MillisLeft(deadline));
  }
  // Only now: until a pair is closed, it may still be sending what a run holds.
  wires_.ready.clear();
  runs_.clear();
}

std::string PairCommunicator::DescribeWaiting() const {
  std::vector<bool> peers(mesh_.pairs.size(), false);
  for (const auto& run : runs_) run->AppendWaiting(&peers);
  std::string text;
  for (size_t peer = 0; peer < peers.size(); ++peer) {
    if (!peers[peer]) continue;
    text += (text.empty() ? "rank " : ", rank ") + std::to_string(peer) + " (" +
            mesh_.peers[peer].hostname + ", pid " + std::to_string(mesh_.peers[peer].pid) + ")" +
            Silence(*mesh_.pairs[peer]);
  }
  return text.empty() ? "no rank" : text;
}

void PairCommunicator::OnControl(int peer, ControlKind kind, std::string payload) {
  if (!failed_) events_->OnControl(peer, kind, std::move(payload));
}

void PairCommunicator::OnBye(int peer) {
  gone_[peer] = true;
  ForgetSockets(peer);
  if (!failed_) events_->OnBye(peer);
}

void PairCommunicator::OnFailure(int peer, const Status& status) {
  if (failed_) return;
  failed_ = true;
  events_->OnFailure(peer, status);
}

}  // namespace tf_ddl
