// How one collective is put on the streams; what Launcher::Launch does.
#ifndef TF_DDL_NCCL_ISSUE_H_
#define TF_DDL_NCCL_ISSUE_H_

#include <map>
#include <memory>
#include <vector>

#include "nccl/launcher.h"
#include "nccl/nccl_abi.h"

namespace tf_ddl {

class Launcher::Issue {
 public:
  Issue(Launcher* launcher, const DeviceCollective& collective);

  Status Run(std::shared_ptr<CudaEvent>* end);
  double library_seconds() const { return library_seconds_; }

 private:
  // What NCCL is to reduce: contiguous elements.
  struct Piece {
    const void* in;
    void* out;
    int64_t count;
  };

  bool WantsPacking() const;
  Status WaitForTensors(CuStream stream);
  Status Pack();
  Status ReduceFlat();
  Status ReduceOnGrid();
  Status Step(const DeviceStep& step, const std::vector<NcclComm>& lines, CuStream stream);
  Status Finish(std::shared_ptr<CudaEvent>* end);

  Status Mark(CuStream stream, std::shared_ptr<CudaEvent>* event);
  Status WaitFor(CuStream stream, const CudaEvent& event);
  template <typename Call>
  Status Nccl(NcclComm comm, const char* name, const Call& call);

  Launcher& l_;
  const CudaApi& cuda_;
  const NcclApi& nccl_;
  const DeviceCollective& c_;
  std::vector<TensorSegment> segments_;  // without empty ones
  int64_t count_ = 0;                    // elements of all segments
  const bool narrow_;
  const bool integers_;
  const bool mean_;
  const size_t element_bytes_;  // of what NCCL reduces
  NcclDataType type_;
  NcclRedOp op_;
  Packing packing_;
  Scratch* scratch_ = nullptr;  // if packed
  std::vector<Piece> pieces_;
  // What `back` has to wait for.
  std::vector<std::shared_ptr<CudaEvent>> reduced_;
  double library_seconds_ = 0;
};

}  // namespace tf_ddl

#endif  // TF_DDL_NCCL_ISSUE_H_
