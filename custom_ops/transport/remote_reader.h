// Reads a peer's memory in place: between processes of one host by cross-memory attach, between
// threads of one process by memcpy.
#ifndef TF_DDL_TRANSPORT_REMOTE_READER_H_
#define TF_DDL_TRANSPORT_REMOTE_READER_H_

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "transport/segment.h"

namespace tf_ddl {

class RemoteReader {
 public:
  // More pieces than this on one side are split by the caller.
  static constexpr size_t kMaxPieces = 512;

  virtual ~RemoteReader() = default;
  virtual const char* name() const = 0;
  // Copies the peer's `remote` pieces into `local` ones of the same total size. Returns 0 or an
  // errno: ESHUTDOWN once the peer has withdrawn its memory, ESRCH or EFAULT once it is gone.
  virtual int Read(const std::vector<iovec>& local, const std::vector<iovec>& remote) = 0;
  // This side closes: the peer's reads of its memory, one that is under way included, fail from
  // now on or have ended.
  virtual void Withdraw() = 0;
};

// `segment` holds the flag by which a side says that its memory may no longer be read.
std::unique_ptr<RemoteReader> NewCmaReader(int pid, std::shared_ptr<Segment> segment, int side);

// The readers of the two ends of a pair inside this process.
void NewMemoryReaders(std::unique_ptr<RemoteReader> readers[2]);

// One word of another process, to find out whether this kernel lets us. Returns 0 or an errno.
int ProbeCma(int pid, uint64_t address, uint64_t* word);

}  // namespace tf_ddl

#endif  // TF_DDL_TRANSPORT_REMOTE_READER_H_
