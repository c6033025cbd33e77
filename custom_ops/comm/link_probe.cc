#include "comm/link_probe.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

#include "base/reduce.h"

namespace tf_ddl {
namespace {

constexpr int kPings = 9;
constexpr size_t kPingBytes = 64;
constexpr size_t kLocalBytes = 1 << 20;
constexpr int kLocalRepeats = 4;
constexpr int kMaxRounds = 8;
constexpr size_t kFirstBulk = 64 << 10;
constexpr size_t kLastBulk = 4 << 20;
constexpr double kBulkSeconds = 0.003;  // what a measurement should take at least
constexpr double kAgree = 0.7;          // by this factor at least both ends must agree
constexpr size_t kMostRepeats = 3;
constexpr int64_t kSpinNanos = 50 * 1000;
const char* const kMeasure = "measure";
// Questions and answers when time is over, and how long they may take.
const char* const kAsk = "?";
const char* const kAlive = "!";
constexpr std::chrono::milliseconds kAnswerTime(1000);
constexpr uint64_t kProbeGroup = 0x50524F4245ull;  // no group's id: those are hashes

class MemorySink : public Sink {
 public:
  MemorySink(void* to, size_t bytes) : to_(static_cast<uint8_t*>(to)), bytes_(bytes) {}
  size_t bytes() const override { return bytes_; }
  void Windows(size_t offset, size_t max_bytes, std::vector<iovec>* out) override {
    out->push_back({to_ + offset, std::min(max_bytes, bytes_ - offset)});
  }
  void Consume(size_t offset, const uint8_t* data, size_t n) override {
    std::memcpy(to_ + offset, data, n);
  }

 private:
  uint8_t* const to_;
  const size_t bytes_;
};

double SecondsSince(int64_t begin) { return static_cast<double>(NowNanos() - begin) * 1e-9; }

class LinkProbe : public CommunicatorEvents {
 public:
  LinkProbe(PairCommunicator* communicator, Deadline deadline)
      : communicator_(communicator),
        topology_(communicator->topology()),
        rank_(communicator->rank()),
        size_(communicator->size()),
        deadline_(deadline),
        sent_(size_, 0),
        received_(size_, 0),
        gone_(size_, false),
        reported_(size_, false),
        alive_(size_, false),
        large_(kLastBulk, 1),
        landing_(kLastBulk, 2) {
    communicator_->set_events(this);
  }
  ~LinkProbe() override { communicator_->set_events(nullptr); }

  // Rank 0 says what is done: its word, "measure" or a model, comes back on every rank.
  Status Announce(std::string* word);
  Status MeasureWithinHost();
  Status MeasureBetweenHosts();
  // Brings everybody's samples together; the same model on every rank.
  Status Agree(LinkModel* model);

  void OnControl(int peer, ControlKind kind, std::string payload) override {
    if (kind != ControlKind::kLinks) {
      communicator_->Hold(peer, kind, std::move(payload));  // the engine's
    } else if (payload == kAsk) {
      communicator_->SendControl(peer, kind, kAlive);
    } else if (payload == kAlive) {
      alive_[peer] = true;
    } else if (rank_ == 0) {
      reported_[peer] = true;
      gathered_ += payload;
    } else {
      answer_ = std::move(payload);
    }
  }
  // Only a failure if it is waited for: a rank that has the answer may end at once.
  void OnBye(int peer) override {
    gone_[peer] = true;
    communicator_->Hold(peer, ControlKind::kBye, "");
  }
  void OnFailure(int, const Status& status) override {
    if (failure_.ok()) failure_ = status;
  }

 private:
  // Until `peer` (-1: everybody) has done its part.
  Status WaitUntil(const std::function<bool()>& done, int peer);
  // Whether a wait for `peer` (-1: everybody) is one for `other`.
  bool Awaits(int peer, int other) const {
    return other != rank_ && (peer >= 0 ? other == peer : !reported_[other]);
  }
  Status CheckGone(int peer) const;
  // When time is over: asks those waited for whether they are there, and blames those that are not.
  Status CheckTime(int peer);
  // One message each; the n-th one sent to a peer is the n-th one that it receives.
  void Send(int peer, int rail, const void* data, size_t bytes);
  Status Receive(int peer, void* to, size_t bytes);
  Status Flush(int peer);  // waits until what was sent has been taken
  Status PingPong(int peer, int rail, bool first, double* alpha);
  // The bandwidth from this rank to `peer`: this rank is told what the peer measured.
  Status SendBulk(int peer, int rail, double* beta);
  Status ReceiveBulk(int peer, int rail);
  std::string Name(int peer) const {
    return "rank " + std::to_string(peer) + " (" + communicator_->HostOf(peer) + ")";
  }
  Tag NextTag(int peer, bool sending) {
    Tag tag;
    tag.group = kProbeGroup;
    tag.part = sending ? ++sent_[peer] : ++received_[peer];
    return tag;
  }

  PairCommunicator* const communicator_;
  const Topology& topology_;
  const int rank_;
  const int size_;
  const Deadline deadline_;
  std::vector<uint64_t> sent_, received_;  // messages by peer
  std::vector<bool> gone_, reported_;      // by rank: said goodbye; rank 0: has its measurements
  std::vector<bool> alive_;                // by rank: answered when asked
  bool asked_ = false;
  std::vector<uint8_t> large_, landing_;
  int unsent_ = 0;
  std::vector<LinkSample> samples_;
  std::string gathered_;
  std::string answer_;
  Status failure_;
};

Status LinkProbe::CheckGone(int peer) const {
  for (int other = 0; other < size_; ++other) {
    if (!gone_[other] || !Awaits(peer, other)) continue;
    return Unavailable(Name(other) + " left the job while links were measured");
  }
  return OkStatus();
}

Status LinkProbe::CheckTime(int peer) {
  if (Clock::now() < deadline_) return OkStatus();
  if (!asked_) {
    asked_ = true;
    for (int other = 0; other < size_; ++other) {
      if (Awaits(peer, other)) communicator_->SendControl(other, ControlKind::kLinks, kAsk);
    }
  }
  if (Clock::now() < deadline_ + kAnswerTime) return OkStatus();
  std::string silent, all;
  for (int other = 0; other < size_; ++other) {
    if (!Awaits(peer, other)) continue;
    all += (all.empty() ? "" : ", ") + Name(other);
    if (!alive_[other]) silent += (silent.empty() ? "" : ", ") + Name(other);
  }
  // Those that are there wait themselves, and say soon for whom.
  if (silent.empty() && Clock::now() < deadline_ + 3 * kAnswerTime) return OkStatus();
  return DeadlineExceeded("rank " + std::to_string(rank_) + " waited in vain for " +
                          (silent.empty() ? all : silent) +
                          " while links were measured: did it fail, or does it run another "
                          "version? DDL_MEASURE_LINKS=0 goes without measuring");
}

Status LinkProbe::WaitUntil(const std::function<bool()>& done, int peer) {
  int64_t last_moved = NowNanos();
  while (!done()) {
    if (communicator_->Poll()) {
      last_moved = NowNanos();
      continue;
    }
    if (!failure_.ok()) return failure_;
    DDL_RETURN_IF_ERROR(CheckGone(peer));
    DDL_RETURN_IF_ERROR(CheckTime(peer));
    if (NowNanos() - last_moved > kSpinNanos && communicator_->PrepareSleep()) {
      communicator_->Sleep(std::min(std::max(deadline_, DeadlineIn(0.1)), DeadlineIn(1.0)));
      communicator_->AfterSleep();
    }
  }
  return failure_;
}

void LinkProbe::Send(int peer, int rail, const void* data, size_t bytes) {
  ++unsent_;
  communicator_->pair(peer)->Send(NextTag(peer, true), rail, {{const_cast<void*>(data), bytes}},
                                  [this] { --unsent_; });
}

Status LinkProbe::Receive(int peer, void* to, size_t bytes) {
  MemorySink sink(to, bytes);
  bool received = false;
  communicator_->pair(peer)->Receive(NextTag(peer, false), &sink, [&received] { received = true; });
  return WaitUntil([&received] { return received; }, peer);
}

Status LinkProbe::Flush(int peer) {
  return WaitUntil([this] { return unsent_ == 0; }, peer);
}

Status LinkProbe::Announce(std::string* word) {
  if (rank_ == 0) {
    for (int peer = 1; peer < size_; ++peer) {
      communicator_->SendControl(peer, ControlKind::kLinks, *word);
    }
    return OkStatus();
  }
  DDL_RETURN_IF_ERROR(WaitUntil([this] { return !answer_.empty(); }, 0));
  *word = std::exchange(answer_, "");
  return OkStatus();
}

Status LinkProbe::PingPong(int peer, int rail, bool first, double* alpha) {
  std::vector<double> trips;
  for (int i = 0; i < kPings; ++i) {
    const int64_t begin = NowNanos();
    if (first) Send(peer, rail, large_.data(), kPingBytes);
    DDL_RETURN_IF_ERROR(Receive(peer, landing_.data(), kPingBytes));
    if (!first) Send(peer, rail, large_.data(), kPingBytes);
    DDL_RETURN_IF_ERROR(Flush(peer));
    trips.push_back(SecondsSince(begin));
  }
  std::nth_element(trips.begin(), trips.begin() + kPings / 2, trips.end());
  *alpha = trips[kPings / 2] / 2;
  return OkStatus();
}

Status LinkProbe::MeasureWithinHost() {
  LinkSample sample;
  const auto& host = topology_.hosts[topology_.HostOf()[rank_]];
  const size_t at = std::find(host.ranks.begin(), host.ranks.end(), rank_) - host.ranks.begin();
  const size_t partner = at ^ 1;
  if (partner < host.ranks.size()) {
    const int peer = host.ranks[partner];
    DDL_RETURN_IF_ERROR(PingPong(peer, 0, at < partner, &sample.cost.alpha));
    std::vector<double> seconds;
    for (int i = 0; i < kLocalRepeats; ++i) {
      const int64_t begin = NowNanos();
      Send(peer, 0, large_.data(), kLocalBytes);
      DDL_RETURN_IF_ERROR(Receive(peer, landing_.data(), kLocalBytes));
      DDL_RETURN_IF_ERROR(Flush(peer));
      if (i > 0) seconds.push_back(SecondsSince(begin));  // the first one finds cold memory
    }
    sample.cost.beta = *std::min_element(seconds.begin(), seconds.end()) / kLocalBytes;
  }
  double best = 0;
  constexpr int64_t kCount = 64 << 10;
  for (int i = 0; i < kLocalRepeats; ++i) {
    const int64_t begin = NowNanos();
    Add(DType::kFloat32, landing_.data(), landing_.data(), large_.data(), kCount);
    const double seconds = SecondsSince(begin);
    if (i == 1 || (i > 1 && seconds < best)) best = seconds;
  }
  sample.gamma = best / (kCount * static_cast<double>(sizeof(float)));
  samples_.push_back(sample);
  return OkStatus();
}

Status LinkProbe::SendBulk(int peer, int rail, double* beta) {
  std::vector<double> betas;
  for (uint64_t bytes = kFirstBulk;;) {
    const int64_t begin = NowNanos();
    Send(peer, rail, &bytes, sizeof bytes);
    Send(peer, rail, large_.data(), bytes);
    Send(peer, rail, large_.data(), bytes);
    double seconds = 0;
    DDL_RETURN_IF_ERROR(Receive(peer, &seconds, sizeof seconds));
    DDL_RETURN_IF_ERROR(Flush(peer));
    const double own = SecondsSince(begin) / 2;  // of each of the two
    if (std::max(own, seconds) < kBulkSeconds && bytes * 4 <= kLastBulk) {
      bytes *= 4;
      continue;
    }
    // A receiver that comes late finds the second message there already; one that is late for the
    // second makes it look slow.
    betas.push_back(std::max(own, std::max(seconds, 1e-9)) / static_cast<double>(bytes));
    if ((seconds > own * kAgree && own > seconds * kAgree) || betas.size() == kMostRepeats) break;
  }
  std::nth_element(betas.begin(), betas.begin() + (betas.size() - 1) / 2, betas.end());
  *beta = betas[(betas.size() - 1) / 2];
  const uint64_t end = 0;
  Send(peer, rail, &end, sizeof end);
  return Flush(peer);
}

Status LinkProbe::ReceiveBulk(int peer, int rail) {
  while (true) {
    uint64_t bytes = 0;
    DDL_RETURN_IF_ERROR(Receive(peer, &bytes, sizeof bytes));
    if (bytes == 0) return OkStatus();
    if (bytes > kLastBulk) return Internal(Name(peer) + " measures links in another way");
    DDL_RETURN_IF_ERROR(Receive(peer, landing_.data(), bytes));
    const int64_t begin = NowNanos();
    DDL_RETURN_IF_ERROR(Receive(peer, landing_.data(), bytes));
    const double seconds = SecondsSince(begin);
    Send(peer, rail, &seconds, sizeof seconds);
    DDL_RETURN_IF_ERROR(Flush(peer));
  }
}

Status LinkProbe::MeasureBetweenHosts() {
  const int own = topology_.HostOf()[rank_];
  if (topology_.hosts[own].ranks[0] != rank_) return OkStatus();
  for (const auto& round : Tournament(static_cast<int>(topology_.hosts.size()), kMaxRounds)) {
    for (const auto& [low, high] : round) {
      if (own != low && own != high) continue;
      const int other = own == low ? high : low;
      const int peer = topology_.hosts[other].ranks[0];
      for (int rail = 0; rail < static_cast<int>(topology_.rails.size()); ++rail) {
        LinkSample sample;
        sample.rail = rail;
        sample.from = own;
        sample.to = other;
        DDL_RETURN_IF_ERROR(PingPong(peer, rail, own == low, &sample.cost.alpha));
        if (own == high) DDL_RETURN_IF_ERROR(ReceiveBulk(peer, rail));
        DDL_RETURN_IF_ERROR(SendBulk(peer, rail, &sample.cost.beta));
        if (own == low) DDL_RETURN_IF_ERROR(ReceiveBulk(peer, rail));
        samples_.push_back(sample);
      }
    }
  }
  return OkStatus();
}

Status LinkProbe::Agree(LinkModel* model) {
  std::string report;
  for (const LinkSample& sample : samples_) report += Serialize(sample);
  if (rank_ == 0) {
    gathered_ += report;
    reported_[0] = true;
    const auto all = [this] {
      return std::find(reported_.begin(), reported_.end(), false) == reported_.end();
    };
    DDL_RETURN_IF_ERROR(WaitUntil(all, -1));
    std::vector<LinkSample> samples;
    DDL_RETURN_IF_ERROR(Parse(gathered_, topology_, &samples));
    *model = ModelOf(samples, topology_);
    for (int peer = 1; peer < size_; ++peer) {
      communicator_->SendControl(peer, ControlKind::kLinks, Serialize(*model));
    }
    return failure_;
  }
  communicator_->SendControl(0, ControlKind::kLinks, report);
  DDL_RETURN_IF_ERROR(WaitUntil([this] { return !answer_.empty(); }, 0));
  return Parse(answer_, model);
}

}  // namespace

Status LearnLinks(PairCommunicator* communicator, const CommOptions& options, Deadline deadline) {
  LinkProbe probe(communicator, deadline);
  std::string word = kMeasure;
  if (communicator->rank() == 0 && !options.links.empty()) {
    word = options.links;
  } else if (communicator->rank() == 0 && !options.measure_links) {
    word = Serialize(communicator->links());
  }
  Status status = probe.Announce(&word);
  if (!status.ok()) {
    communicator->Close(status);
    return status;
  }
  LinkModel model;
  if (word != kMeasure) {
    DDL_RETURN_IF_ERROR(Parse(word, &model).Prefixed("the given links"));
    DDL_RETURN_IF_ERROR(Validate(model, communicator->topology()).Prefixed("the given links"));
  } else {
    status = probe.MeasureWithinHost();
    if (status.ok()) status = probe.MeasureBetweenHosts();
    if (status.ok()) status = probe.Agree(&model);
    if (!status.ok()) {
      // Everybody is told why; and nobody reads the probe's memory any more once it is gone.
      communicator->Close(status);
      return status;
    }
  }
  communicator->set_links(std::move(model));
  return OkStatus();
}

}  // namespace tf_ddl
