#include "transport/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <new>
#include <string>

namespace tf_ddl {
namespace {

constexpr size_t kHeaderBytes = 4096;

size_t SegmentBytes(size_t ring_bytes) { return kHeaderBytes + 2 * ring_bytes; }

}  // namespace

struct Segment::Header {
  uint64_t token = 0;
  RingCursors cursors[2];
  SideState sides[2];
};

Segment::Segment(void* memory, size_t ring_bytes)
    : header_(static_cast<Header*>(memory)), ring_bytes_(ring_bytes) {
  static_assert(sizeof(Header) <= kHeaderBytes, "the header has its page");
}

Segment::~Segment() { munmap(header_, SegmentBytes(ring_bytes_)); }

Status Segment::Map(int file, size_t ring_bytes, std::shared_ptr<Segment>* segment) {
  const int flags = file < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
  void* memory = mmap(nullptr, SegmentBytes(ring_bytes), PROT_READ | PROT_WRITE, flags, file, 0);
  if (memory == MAP_FAILED) return ErrnoStatus("mmap of shared memory", errno);
  segment->reset(new Segment(memory, ring_bytes));
  return OkStatus();
}

Status Segment::CreatePrivate(size_t ring_bytes, std::shared_ptr<Segment>* segment) {
  DDL_RETURN_IF_ERROR(Map(-1, ring_bytes, segment));
  new ((*segment)->header_) Header;
  return OkStatus();
}

Status Segment::CreateShared(size_t ring_bytes, uint64_t token, std::shared_ptr<Segment>* segment,
                             Fd* file) {
  Fd fd(memfd_create("tf_ddl", MFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("memfd_create", errno);
  if (ftruncate(fd.get(), static_cast<off_t>(SegmentBytes(ring_bytes))) != 0) {
    return ErrnoStatus("reserving shared memory", errno);
  }
  DDL_RETURN_IF_ERROR(Map(fd.get(), ring_bytes, segment));
  new ((*segment)->header_) Header;
  (*segment)->header_->token = token;
  *file = std::move(fd);
  return OkStatus();
}

Status Segment::OpenShared(int pid, int file, size_t ring_bytes, uint64_t token,
                           std::shared_ptr<Segment>* segment) {
  const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(file);
  Fd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("open " + path, errno);
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return ErrnoStatus("fstat " + path, errno);
  if (!S_ISREG(info.st_mode) || info.st_size != static_cast<off_t>(SegmentBytes(ring_bytes))) {
    return Internal(path + " is not the memory that was offered");
  }
  DDL_RETURN_IF_ERROR(Map(fd.get(), ring_bytes, segment));
  if ((*segment)->header_->token != token) {
    segment->reset();
    return Internal(path + " is not the memory that was offered");
  }
  return OkStatus();
}

uint8_t* Segment::RingData(int ring) {
  return reinterpret_cast<uint8_t*>(header_) + kHeaderBytes +
         static_cast<size_t>(ring) * ring_bytes_;
}

RingWriter Segment::Writer(int side) {
  return RingWriter(&header_->cursors[side], RingData(side), ring_bytes_);
}

RingReader Segment::Reader(int side) {
  return RingReader(&header_->cursors[1 - side], RingData(1 - side), ring_bytes_);
}

SideState& Segment::State(int side) { return header_->sides[side]; }

}  // namespace tf_ddl
