// The kernels as text, which the driver compiles for the GPU it finds.
#include "nccl/kernels.h"

namespace tf_ddl {

#include "nccl/kernels_ptx.inc"

}  // namespace tf_ddl
