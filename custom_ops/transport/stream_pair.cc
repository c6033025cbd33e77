#include "transport/stream_pair.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "base/time.h"
#include "transport/abort_text.h"
#include "transport/inbox.h"
#include "transport/outbox.h"
#include "transport/pieces.h"
#include "transport/ring_link.h"
#include "transport/socket_set.h"
#include "transport/stream.h"

namespace tf_ddl {
namespace {

// An offer with more pieces than one per this many bytes costs more than the copy it saves.
constexpr size_t kMinBytesPerPiece = 128;
// How long the cause of a loss (an abort, the end of the socket) may come after its first sign.
constexpr double kCauseSeconds = 1.0;

class StreamPair : public Pair, private InboxEvents {
 public:
  explicit StreamPair(PairParts parts)
      : parts_(std::move(parts)),
        inbox_(parts_.rank, parts_.peer, parts_.reader.get(), this),
        ring_stream_(&inbox_, Handler()),
        sockets_(std::move(parts_.socket), parts_.segment == nullptr, parts_.rails,
                 std::move(parts_.data), &inbox_, Handler()) {
    if (parts_.segment != nullptr) {
      ring_ = std::make_unique<RingLink>(parts_.segment, parts_.side, [this] { WakePeer(); });
    }
  }
  ~StreamPair() override { Close(0); }

  int peer() const override { return parts_.peer; }
  const char* transport() const override { return parts_.transport.c_str(); }
  bool same_host() const override { return parts_.same_host; }
  bool can_pull() const override { return parts_.reader != nullptr; }
  int rails() const override { return sockets_.rails(); }
  void set_events(PairEvents* events) override { events_ = events; }

  void Send(const Tag& tag, int rail, std::vector<iovec> pieces, std::function<void()> done,
            bool in_caches) override;
  int sockets_per_rail() const override { return sockets_.sockets_per_rail(); }
  void UseSockets(int n) override { sockets_.Use(n); }
  void Receive(const Tag& tag, Sink* sink, std::function<void()> done) override;
  void SendControl(ControlKind kind, const std::string& payload) override;
  bool Poll(bool check_sockets) override;
  int num_sockets() const override { return sockets_.size(); }
  int fd(int socket) const override { return sockets_.link(socket).fd(); }
  bool wants_write(int socket) const override { return sockets_.wants_write(socket); }
  std::vector<LinkStats> Links() const override { return sockets_.Stats(); }
  std::vector<LinkStats> LinksWritten() const override { return sockets_.Written(); }
  bool PrepareSleep() override;
  void CancelSleep() override;
  void HoldBells(bool hold) override {
    if (ring_ != nullptr) ring_->HoldBells(hold);
  }
  void Close(int millis) override;

 private:
  Outbox& data_out(int rail) { return ring_ != nullptr ? ring_->out() : sockets_.data_out(rail); }
  bool working() const { return !closed_ && !aborted_ && failure_.ok(); }
  bool looking_for_cause() const {
    return !suspicion_.ok() && failure_.ok() && !sockets_.primary().ended() && !bye_told_;
  }

  Stream::Handler Handler() {
    return [this](Stream* from, const FrameHeader& header, std::vector<uint8_t> payload) {
      return OnFrame(from, header, std::move(payload));
    };
  }
  Status OnFrame(Stream* from, const FrameHeader& header, std::vector<uint8_t> payload);
  Status OnControlFrame(Stream* from, const FrameHeader& header, std::vector<uint8_t> payload);
  void OnReceived(std::function<void()> done) override { callbacks_.push_back(std::move(done)); }
  void OnOfferRead(const Tag& tag, uint64_t id) override;

  bool RunCallbacks();
  bool ReadRing();
  bool ReadSockets();
  bool Work();
  bool Flush();
  bool FlushSockets();
  void WakePeer();
  void Settle();

  // A first sign that the peer is gone.
  void Suspect(Status status);
  void Fail(Status status);
  // The peer is gone, or its stream makes no sense.
  void Broken(const Status& status);
  Status Lost(const std::string& how) const;

  PairParts parts_;
  const pid_t owner_ = getpid();
  PairEvents* events_ = nullptr;
  Inbox inbox_;
  Stream ring_stream_;
  SocketSet sockets_;
  std::unique_ptr<RingLink> ring_;  // null: everything goes through sockets
  uint64_t next_offer_ = 1;
  std::unordered_map<uint64_t, std::function<void()>> offers_;  // read by the peer, some day
  Outbox::Callbacks callbacks_;  // run by Poll, after its reading and writing

  bool closed_ = false;
  bool aborted_ = false;  // by this side
  Status failure_;
  bool bye_told_ = false;
  // After a first sign its cause is looked for in the primary socket until the deadline.
  Status suspicion_;
  bool pull_failed_ = false;
  Deadline suspicion_deadline_;
};

void StreamPair::Send(const Tag& tag, int rail, std::vector<iovec> pieces,
                      std::function<void()> done, bool in_caches) {
  if (!working()) return;
  if (rails() == 1) rail = 0;
  if (rail < 0 || rail >= rails()) {
    return Fail(Internal("a message to " + parts_.peer_name + " was to travel on rail " +
                         std::to_string(rail) + " of " + std::to_string(rails())));
  }
  pieces.erase(std::remove_if(pieces.begin(), pieces.end(),
                              [](const iovec& piece) { return piece.iov_len == 0; }),
               pieces.end());
  FrameHeader header;
  header.tag = tag;
  header.bytes = TotalBytes(pieces);
  const size_t copied = in_caches && ring_ != nullptr ? ring_->capacity() / 4 : 0;
  const bool offer = can_pull() && header.bytes > std::max(kEagerBytes, copied) &&
                     pieces.size() <= kMaxOfferedPieces &&
                     header.bytes / pieces.size() >= kMinBytesPerPiece;
  if (offer) {
    header.type = static_cast<uint16_t>(FrameType::kOffer);
    header.pieces = static_cast<uint32_t>(pieces.size());
    header.id = next_offer_++;
    std::vector<uint8_t> payload(pieces.size() * sizeof(OfferedPiece));
    for (size_t i = 0; i < pieces.size(); ++i) {
      const OfferedPiece piece = {reinterpret_cast<uint64_t>(pieces[i].iov_base),
                                  pieces[i].iov_len};
      std::memcpy(payload.data() + i * sizeof piece, &piece, sizeof piece);
    }
    offers_.emplace(header.id, std::move(done));
    data_out(rail).PushOwned(header, std::move(payload));
  } else {
    header.type = static_cast<uint16_t>(FrameType::kData);
    data_out(rail).Push(header, std::move(pieces), std::move(done));
  }
  Flush();
}

void StreamPair::Receive(const Tag& tag, Sink* sink, std::function<void()> done) {
  if (!working()) return;
  Status status = inbox_.Receive(tag, sink, std::move(done));
  if (!status.ok()) Fail(std::move(status));
}

void StreamPair::SendControl(ControlKind kind, const std::string& payload) {
  if (closed_ || !sockets_.primary().open()) return;
  if (kind == ControlKind::kAbort) {  // the last thing that this side has to say
    aborted_ = true;
    if (ring_ != nullptr) ring_->out().Clear();
    sockets_.DropData();
  }
  FrameHeader header;
  header.type = static_cast<uint16_t>(FrameType::kControl);
  header.control = static_cast<uint32_t>(kind);
  header.bytes = payload.size();
  if (kind == ControlKind::kBye) {  // stands behind everything else, on every way
    header.bytes = 0;
    if (ring_ != nullptr) ring_->out().PushOwned(header, {});
    sockets_.PushBye(header);
  } else {
    sockets_.control_out().PushOwned(header, {payload.begin(), payload.end()});
  }
  Flush();
}

Status StreamPair::OnFrame(Stream* from, const FrameHeader& header, std::vector<uint8_t> payload) {
  switch (static_cast<FrameType>(header.type)) {
    case FrameType::kOffer:
      return inbox_.Offer(header, payload);
    case FrameType::kAck: {
      auto offer = offers_.find(header.id);
      if (offer == offers_.end()) return Internal("acknowledged a message that was not offered");
      callbacks_.push_back(std::move(offer->second));
      offers_.erase(offer);
      return OkStatus();
    }
    case FrameType::kControl:
      return OnControlFrame(from, header, std::move(payload));
    case FrameType::kData:
    case FrameType::kWake:
      break;
  }
  return OkStatus();
}

Status StreamPair::OnControlFrame(Stream* from, const FrameHeader& header,
                                  std::vector<uint8_t> payload) {
  const auto kind = static_cast<ControlKind>(header.control);
  if (kind == ControlKind::kAbort) {
    Fail(ParseAbort({payload.begin(), payload.end()}));
    return failure_;  // what follows is of no interest
  } else if (kind == ControlKind::kBye) {
    from->bye = true;
  } else {
    callbacks_.push_back([this, kind, text = std::string(payload.begin(), payload.end())] {
      if (events_ != nullptr) events_->OnControl(parts_.peer, kind, text);
    });
  }
  return OkStatus();
}

void StreamPair::OnOfferRead(const Tag& tag, uint64_t id) {
  FrameHeader header;
  header.type = static_cast<uint16_t>(FrameType::kAck);
  header.tag = tag;
  header.id = id;
  if (working()) data_out(0).PushOwned(header, {});
}

bool StreamPair::Poll(bool check_sockets) {
  if (closed_) return false;
  bool moved = RunCallbacks();
  if (closed_) return moved;
  if (!failure_.ok()) {
    if (check_sockets) sockets_.Discard(kPollBytes);
    FlushSockets();
    return RunCallbacks() || moved;
  }
  moved |= ReadRing();
  if (failure_.ok() && !pull_failed_) moved |= Work();
  if (failure_.ok() && (check_sockets || looking_for_cause())) moved |= ReadSockets();
  if (failure_.ok()) moved |= Flush();
  if (failure_.ok() && ring_ != nullptr) ring_->RingBell(/*at_once=*/false);
  if (failure_.ok()) Settle();
  return RunCallbacks() || moved;
}

// Runs what is there now; what the callbacks add waits for the next time, so that this ends.
bool StreamPair::RunCallbacks() {
  const size_t n = callbacks_.size();
  for (size_t i = 0; i < n && !closed_; ++i) {
    const std::function<void()> callback = std::move(callbacks_.front());
    callbacks_.pop_front();
    if (callback) callback();
  }
  return n > 0;
}

bool StreamPair::ReadRing() {
  if (ring_ == nullptr) return false;
  size_t moved = 0;
  const Status status = ring_->Read(kPollBytes, ring_stream_.frames(), &moved);
  if (!status.ok()) Broken(status);
  return moved > 0;
}

bool StreamPair::ReadSockets() {
  size_t moved = 0;
  const Status status = sockets_.Read(kPollBytes, &moved);
  if (!status.ok()) {
    Broken(status);
  } else if (Status lost = sockets_.LostData(); !lost.ok()) {
    Suspect(std::move(lost));
  }
  return moved > 0;
}

bool StreamPair::Work() {
  size_t moved = 0;
  Status status = inbox_.Work(kPollBytes, &moved);
  if (status.code() == Code::kUnavailable) {
    pull_failed_ = true;
    Suspect(std::move(status));
  } else if (!status.ok()) {
    Fail(std::move(status));
  }
  return moved > 0;
}

bool StreamPair::Flush() {
  const bool wrote = ring_ != nullptr && ring_->Write(kPollBytes, &callbacks_) > 0;
  return FlushSockets() || wrote;
}

bool StreamPair::FlushSockets() {
  Status broken;
  const bool wrote = sockets_.Write(kPollBytes, &callbacks_, &broken) > 0;
  if (!broken.ok()) Suspect(std::move(broken));
  return wrote;
}

void StreamPair::Suspect(Status status) {
  if (!suspicion_.ok()) return;
  suspicion_ = std::move(status);
  suspicion_deadline_ = DeadlineIn(kCauseSeconds);
}

void StreamPair::WakePeer() {
  FrameHeader header;
  header.type = static_cast<uint16_t>(FrameType::kWake);
  sockets_.control_out().PushOwned(header, {});
  FlushSockets();
}

// Decides what an ended stream means, once everything that was sent before has been read.
void StreamPair::Settle() {
  const bool ended = sockets_.primary().ended();
  const bool drained = !inbox_.has_work() && (ring_ == nullptr || !ring_->readable());
  const bool bye = sockets_.all_bye() && (ring_ == nullptr || ring_stream_.bye || ended);
  if (pull_failed_ && sockets_.bye()) {
    Fail(Unavailable(parts_.peer_name + " left while rank " + std::to_string(parts_.rank) +
                     " still needed its data"));
  } else if (pull_failed_ && ended) {
    Fail(Lost(sockets_.primary().end_reason()));
  } else if (looking_for_cause() && !sockets_.bye() && Clock::now() >= suspicion_deadline_) {
    Fail(Lost(suspicion_.message()));
  } else if (drained && bye && !bye_told_) {
    bye_told_ = true;
    callbacks_.push_back([this] {
      if (events_ != nullptr) events_->OnBye(parts_.peer);
    });
  } else if (drained && ended && !sockets_.bye()) {
    Fail(Lost(sockets_.primary().end_reason()));
  }
}

Status StreamPair::Lost(const std::string& how) const {
  return Unavailable("lost connection to " + parts_.peer_name + ": " +
                     (how.empty() ? "the process died or was killed" : how));
}

void StreamPair::Broken(const Status& status) {
  if (status.code() == Code::kInvalidArgument) return Fail(status);
  Fail(Status(status.code(), parts_.peer_name + " " + status.message()));
}

void StreamPair::Fail(Status status) {
  if (!failure_.ok()) return;
  failure_ = std::move(status);
  inbox_.Clear();
  offers_.clear();
  callbacks_.push_back([this] {
    if (events_ != nullptr) events_->OnFailure(parts_.peer, failure_);
  });
}

bool StreamPair::PrepareSleep() {
  if (closed_) return true;
  if (!callbacks_.empty()) return false;
  if (!failure_.ok()) return true;
  if (inbox_.has_work() || looking_for_cause()) return false;
  return ring_ == nullptr || ring_->PrepareSleep();
}

void StreamPair::CancelSleep() {
  if (ring_ != nullptr) ring_->CancelSleep();
}

void StreamPair::Close(int millis) {
  if (closed_) return;
  closed_ = true;
  if (getpid() != owner_)
    return sockets_.Close();  // a forked child's copy: the pair is not its own
  if (parts_.reader != nullptr) parts_.reader->Withdraw();
  inbox_.Clear();
  offers_.clear();
  callbacks_.clear();
  sockets_.Drain(/*confirm=*/!parts_.same_host, DeadlineIn(millis / 1000.0), [this] {
    if (ring_ == nullptr) return true;
    ring_->Write(kPollBytes, &callbacks_);
    return ring_->out().empty();
  });
  callbacks_.clear();
  sockets_.Close();
}

}  // namespace

std::unique_ptr<Pair> NewStreamPair(PairParts parts) {
  return std::make_unique<StreamPair>(std::move(parts));
}

}  // namespace tf_ddl
