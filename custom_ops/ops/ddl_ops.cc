// The TensorFlow ops. Their attributes name the engine (a handle, engine/engine.h) and the group
// that tf_ddl/_tf/ops.py registered when the step was traced.
//
// The collectives are not stateful: automatic control dependencies chain stateful ops in program
// order, and then every reduction would wait for the last gradient. But stateless ops may be
// computed ahead of time or pruned, and a rank where that happens to some tensors of a group leaves
// the others waiting. Three things prevent it. `token` is a captured tensor: constant folding,
// which would run an op alone and wait for it, passes over ops with an input that is not constant.
// `inplace` tells the graph optimizers that an op has an effect though its output may not be used.
// And DdlKeep, a stateful op that does nothing, comes after all of a group, so that a function or a
// branch that contains the group is executed, and with all of it.
//
// SetIsDistributedCommunication keeps the error code of a lost peer (Unavailable) as it is; without
// it TensorFlow turns it into Internal.
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace tf_ddl {
namespace {

using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

absl::Status GroupShape(InferenceContext* c) {
  for (int i = 0; i < c->num_outputs(); ++i) c->set_output(i, c->input(i));
  return absl::OkStatus();
}

absl::Status AllGatherShape(InferenceContext* c) {
  ShapeHandle input;
  TF_RETURN_IF_ERROR(c->WithRankAtLeast(c->input(0), 1, &input));
  ShapeHandle output = input;
  if (c->RankKnown(input)) {
    TF_RETURN_IF_ERROR(c->ReplaceDim(input, 0, c->UnknownDim(), &output));
  }
  c->set_output(0, output);
  c->set_output(1, c->Vector(c->UnknownDim()));
  return absl::OkStatus();
}

}  // namespace

REGISTER_OP("DdlAllReduce")
    .Input("input: T")
    .Input("token: int8")
    .Input("contributes: bool")
    .Output("output: T")
    .Attr("T: {float, double, half, bfloat16, int32, int64}")
    .Attr("engine: int")
    .Attr("group: int")
    .Attr("index: int")
    .Attr("reduce_op: {'sum', 'mean'}")
    .Attr("tensor_name: string")
    .Attr("inplace: bool = true")
    .SetIsDistributedCommunication()
    .SetShapeFn(tensorflow::shape_inference::UnchangedShape)
    .Doc(R"doc(
All-reduces one tensor of a group; starts when the tensor is ready.

input: the same shape on every rank.
token: a tensor that is no constant; its value is not used.
contributes: a scalar; if false, this rank's input counts as zeros, whatever it is.
output: the sum or mean over all ranks.
engine: handle of the engine.
group: id of the group, two's complement.
index: which tensor of the group this is.
tensor_name: for error messages.
)doc");

REGISTER_OP("DdlGroupAllReduce")
    .Input("inputs: T")
    .Input("token: int8")
    .Input("contributes: bool")
    .Output("outputs: T")
    .Attr("T: list({float, double, half, bfloat16, int32, int64}) >= 1")
    .Attr("engine: int")
    .Attr("group: int")
    .Attr("reduce_op: {'sum', 'mean'}")
    .Attr("tensor_names: list(string)")
    .Attr("inplace: bool = true")
    .SetIsDistributedCommunication()
    .SetShapeFn(GroupShape)
    .Doc(R"doc(
All-reduces all tensors of a group at once: for eager mode, where ops run one after another.
)doc");

REGISTER_OP("DdlDeviceAllReduce")
    .Input("input: T")
    .Input("token: int8")
    .Input("contributes: bool")
    .Output("output: T")
    .Attr("T: {float, double, half, bfloat16}")
    .Attr("engine: int")
    .Attr("group: int")
    .Attr("index: int")
    .Attr("reduce_op: {'sum', 'mean'}")
    .Attr("tensor_name: string")
    .Attr("inplace: bool = true")
    .SetIsDistributedCommunication()
    .SetShapeFn(tensorflow::shape_inference::UnchangedShape)
    .Doc(R"doc(
DdlAllReduce of a tensor in GPU memory, which never visits the host. The group is registered as one
in device memory.
)doc");

REGISTER_OP("DdlDeviceGroupAllReduce")
    .Input("inputs: T")
    .Input("token: int8")
    .Input("contributes: bool")
    .Output("outputs: T")
    .Attr("T: list({float, double, half, bfloat16}) >= 1")
    .Attr("engine: int")
    .Attr("group: int")
    .Attr("reduce_op: {'sum', 'mean'}")
    .Attr("tensor_names: list(string)")
    .Attr("inplace: bool = true")
    .SetIsDistributedCommunication()
    .SetShapeFn(GroupShape)
    .Doc(R"doc(
DdlGroupAllReduce of tensors in GPU memory.
)doc");

REGISTER_OP("DdlBroadcast")
    .Input("input: T")
    .Input("token: int8")
    .Output("output: T")
    .Attr("T: type")
    .Attr("engine: int")
    .Attr("group: int")
    .Attr("root: int")
    .Attr("tensor_name: string")
    .Attr("inplace: bool = true")
    .SetIsDistributedCommunication()
    .SetShapeFn(tensorflow::shape_inference::UnchangedShape)
    .Doc(R"doc(
The root's tensor, on every rank. Any dtype of fixed size; moved as bytes.
)doc");

REGISTER_OP("DdlAllGather")
    .Input("input: T")
    .Input("token: int8")
    .Output("output: T")
    .Output("rows: int64")
    .Attr("T: type")
    .Attr("engine: int")
    .Attr("group: int")
    .Attr("tensor_name: string")
    .Attr("inplace: bool = true")
    .SetIsDistributedCommunication()
    .SetShapeFn(AllGatherShape)
    .Doc(R"doc(
The tensors of all ranks, concatenated along the first dimension in rank order. The first dimension
may differ between ranks, the others not. Any dtype of fixed size; moved as bytes.

rows: each rank's first dimension, int64 [size].
)doc");

REGISTER_OP("DdlKeep").SetIsStateful().SetShapeFn(tensorflow::shape_inference::NoOutputs).Doc(R"doc(
Does nothing, after its control inputs; being stateful, it keeps them.
)doc");

}  // namespace tf_ddl
