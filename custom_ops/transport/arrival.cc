#include "transport/arrival.h"

#include <cstring>
#include <string>
#include <utility>

#include "transport/inbox.h"

namespace tf_ddl {

Arrival::Arrival(Inbox* inbox) : inbox_(inbox) { inbox_->Add(this); }

Arrival::~Arrival() { inbox_->Remove(this); }

Status Arrival::Begin(const FrameHeader& header) {
  in_data_ = true;
  arrived_ = 0;
  message_ = Message();
  message_.tag = header.tag;
  message_.bytes = header.bytes;
  DDL_RETURN_IF_ERROR(inbox_->Claim(&message_));
  if (message_.sink != nullptr) return OkStatus();
  message_.copy = AllocateBytes(message_.bytes);
  return message_.copy != nullptr ? OkStatus() : inbox_->NoMemory(message_.bytes);
}

void Arrival::CatchUp() {
  if (message_.sink == nullptr || message_.delivered >= arrived_) return;
  message_.Deliver(message_.copy.get() + message_.delivered, arrived_ - message_.delivered,
                   &windows_);
}

Status Arrival::Data(size_t offset, const uint8_t* data, size_t n) {
  if (message_.sink == nullptr) {
    std::memcpy(message_.copy.get() + offset, data, n);
  } else {
    CatchUp();
    message_.Deliver(data, n, &windows_);
  }
  arrived_ = offset + n;
  return OkStatus();
}

void Arrival::DirectWindows(size_t offset, size_t n, std::vector<iovec>* out) {
  out->clear();
  if (message_.sink == nullptr) {
    out->push_back({message_.copy.get() + offset, n});
    return;
  }
  CatchUp();
  message_.sink->Windows(offset, n, out);
}

void Arrival::DirectDone(size_t n) {
  arrived_ += n;
  if (message_.sink != nullptr) message_.delivered += n;
}

Status Arrival::End() {
  in_data_ = false;
  CatchUp();
  return inbox_->Arrived(std::move(message_));
}

Message* Arrival::Unclaimed(const Tag& tag) {
  const bool it_is = in_data_ && message_.sink == nullptr && message_.tag == tag;
  return it_is ? &message_ : nullptr;
}

void Arrival::Clear() {
  in_data_ = false;
  message_ = Message();
}

}  // namespace tf_ddl
