#include "comm/text_exchange.h"

#include <algorithm>
#include <sstream>
#include <utility>

namespace tf_ddl {
namespace {

// How long rank 0 is waited for after its own deadline, at which it says who is missing.
constexpr int kPatienceSeconds = 2;

// "<round> <number of texts>\n", then "<bytes>\n<text>" of each.
std::string Pack(int round, const std::vector<std::string>& texts) {
  std::string packed = std::to_string(round) + " " + std::to_string(texts.size()) + "\n";
  for (const std::string& text : texts) packed += std::to_string(text.size()) + "\n" + text;
  return packed;
}

bool Unpack(const std::string& packed, int* round, std::vector<std::string>* texts) {
  std::istringstream in(packed);
  size_t count = 0;
  if (!(in >> *round >> count) || count > packed.size()) return false;
  for (size_t i = 0; i < count; ++i) {
    size_t bytes = 0;
    if (!(in >> bytes) || in.get() != '\n' || bytes > packed.size()) return false;
    std::string text(bytes, '\0');
    if (!in.read(&text[0], static_cast<std::streamsize>(bytes))) return false;
    texts->push_back(std::move(text));
  }
  return true;
}

}  // namespace

TextExchange::TextExchange(Communicator* communicator, ControlKind kind, std::string what,
                           Deadline deadline)
    : communicator_(communicator),
      kind_(kind),
      what_(std::move(what)),
      deadline_(deadline),
      rank_(communicator->rank()),
      size_(communicator->size()),
      gone_(size_, false) {
  communicator_->set_events(this);
}

TextExchange::~TextExchange() { communicator_->set_events(nullptr); }

std::string TextExchange::Name(int rank) const {
  return "rank " + std::to_string(rank) + " (" + communicator_->HostOf(rank) + ")";
}

TextExchange::Round& TextExchange::At(int round) {
  Round& found = rounds_[round];
  found.texts.resize(size_);
  found.said.resize(size_, false);
  return found;
}

void TextExchange::Say(int round, const std::string& text) {
  if (rank_ != 0) return communicator_->SendControl(0, kind_, Pack(round, {text}));
  At(round).texts[0] = text;
  At(round).said[0] = true;
}

Status TextExchange::CheckWait(const Round& round) const {
  if (!failure_.ok()) return failure_;
  std::string missing;
  for (int rank = 0; rank < size_; ++rank) {
    const bool awaited = rank_ == 0 ? !round.said[rank] : rank == 0;
    if (!awaited) continue;
    if (gone_[rank]) return Unavailable(Name(rank) + " left the job while " + what_);
    missing += (missing.empty() ? "" : ", ") + Name(rank);
  }
  if (Clock::now() <
      (rank_ == 0 ? deadline_ : deadline_ + std::chrono::seconds(kPatienceSeconds))) {
    return OkStatus();
  }
  return DeadlineExceeded(Name(rank_) + " waited in vain for " + missing + " while " + what_);
}

Status TextExchange::Look(int number,
                          const std::function<bool(const std::vector<std::string>&)>& enough) {
  communicator_->Poll();
  if (!failure_.ok()) return failure_;
  const Round& round = At(number);
  if ((rank_ == 0 || round.answered) && enough(round.texts)) {
    return Cancelled("another rank has given up");
  }
  return OkStatus();
}

Status TextExchange::Hear(int number,
                          const std::function<bool(const std::vector<std::string>&)>& enough,
                          std::vector<std::string>* texts) {
  Round& round = At(number);
  const auto done = [&] {
    if (rank_ != 0) return round.answered;
    return enough(round.texts) ||
           std::all_of(round.said.begin(), round.said.end(), [](bool said) { return said; });
  };
  while (!done()) {
    if (communicator_->Poll()) continue;
    DDL_RETURN_IF_ERROR(CheckWait(round));
    if (!communicator_->PrepareSleep()) continue;
    communicator_->Sleep(std::min(deadline_, DeadlineIn(0.1)));
    communicator_->AfterSleep();
  }
  DDL_RETURN_IF_ERROR(failure_);
  *texts = round.texts;
  if (rank_ == 0) {
    for (int peer = 1; peer < size_; ++peer) {
      communicator_->SendControl(peer, kind_, Pack(number, round.texts));
    }
  }
  return OkStatus();
}

void TextExchange::OnControl(int peer, ControlKind kind, std::string payload) {
  if (kind != kind_) return communicator_->Hold(peer, kind, std::move(payload));
  int number = 0;
  std::vector<std::string> texts;
  const bool readable = Unpack(payload, &number, &texts) &&
                        texts.size() == static_cast<size_t>(rank_ == 0 ? 1 : size_) &&
                        (rank_ == 0 || peer == 0);
  if (!readable) {
    if (failure_.ok()) failure_ = Internal(Name(peer) + " sent nonsense while " + what_);
    return;
  }
  Round& round = At(number);
  if (rank_ == 0) {
    round.texts[peer] = std::move(texts[0]);
    round.said[peer] = true;
  } else {
    round.texts = std::move(texts);
    round.answered = true;
  }
}

void TextExchange::OnBye(int peer) {
  gone_[peer] = true;
  communicator_->Hold(peer, ControlKind::kBye, "");
}

void TextExchange::OnFailure(int, const Status& status) {
  if (failure_.ok()) failure_ = status;
}

}  // namespace tf_ddl
