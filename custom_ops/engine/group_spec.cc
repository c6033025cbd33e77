#include "engine/group_spec.h"

#include <algorithm>
#include <cstring>

namespace tf_ddl {
namespace {

void PutNumber(std::string* out, int64_t value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out->append(bytes, sizeof bytes);
}

void PutText(std::string* out, const std::string& text) {
  PutNumber(out, static_cast<int64_t>(text.size()));
  out->append(text);
}

class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}
  bool Number(int64_t* value) {
    if (text_.size() - at_ < sizeof *value) return false;
    std::memcpy(value, text_.data() + at_, sizeof *value);
    at_ += sizeof *value;
    return true;
  }
  // A number of things that take at least `bytes_each` bytes of what is left.
  bool Length(int64_t* value, int64_t bytes_each) {
    return Number(value) && *value >= 0 &&
           *value <= static_cast<int64_t>(text_.size() - at_) / bytes_each;
  }
  bool Text(std::string* value) {
    int64_t length;
    if (!Length(&length, 1)) return false;
    value->assign(text_, at_, static_cast<size_t>(length));
    at_ += static_cast<size_t>(length);
    return true;
  }
  bool AtEnd() const { return at_ == text_.size(); }

 private:
  const std::string& text_;
  size_t at_ = 0;
};

bool ParseTensor(Reader* reader, TensorSpec* tensor) {
  int64_t dtype, dims;
  if (!reader->Text(&tensor->name) || !reader->Number(&dtype) || dtype < 0 || dtype >= kNumDTypes ||
      !reader->Length(&dims, sizeof(int64_t))) {
    return false;
  }
  tensor->dtype = static_cast<DType>(dtype);
  tensor->shape.resize(static_cast<size_t>(dims));
  return std::all_of(tensor->shape.begin(), tensor->shape.end(),
                     [reader](int64_t& dim) { return reader->Number(&dim); });
}

std::string OnRank(int rank) { return " on rank " + std::to_string(rank); }

}  // namespace

const char* NameOf(CollectiveKind kind) {
  switch (kind) {
    case CollectiveKind::kAllReduce:
      return "all-reduce";
    case CollectiveKind::kBroadcast:
      return "broadcast";
    case CollectiveKind::kAllGather:
      return "all-gather";
  }
  return "unknown";
}

const char* MemoryOf(const GroupSpec& spec) { return spec.device ? "GPU memory" : "host memory"; }

int64_t TensorSpec::count() const {
  int64_t n = 1;
  for (int64_t dim : shape) {
    if (dim < 0) return -1;
    n *= dim;
  }
  return n;
}

uint64_t GroupSpec::id() const {  // FNV-1a, 64 bits
  uint64_t hash = 0xCBF29CE484222325ull;
  for (unsigned char c : key) hash = (hash ^ c) * 0x100000001B3ull;
  return hash;
}

Status Validate(const GroupSpec& spec, int size) {
  const std::string where = std::string(NameOf(spec.kind)) + " '" + spec.key + "'";
  if (spec.key.empty()) return InvalidArgument("a group needs a key");
  if (spec.tensors.empty()) return InvalidArgument(where + " has no tensors");
  if (spec.kind != CollectiveKind::kAllReduce && spec.tensors.size() != 1) {
    return InvalidArgument(where + " takes one tensor, not " + std::to_string(spec.tensors.size()));
  }
  if (spec.device && spec.kind != CollectiveKind::kAllReduce) {
    return InvalidArgument(where + ": only all-reduces work on GPU memory");
  }
  if (spec.root < 0 || spec.root >= size) {
    return InvalidArgument(where + ": root " + std::to_string(spec.root) +
                           " is not a rank of a world of " + std::to_string(size));
  }
  for (const TensorSpec& tensor : spec.tensors) {
    if (spec.kind == CollectiveKind::kAllReduce && tensor.dtype == DType::kBytes) {
      return InvalidArgument(where + ": tensor " + ToString(tensor) +
                             " has no arithmetic; it can only be broadcast or gathered");
    }
  }
  return OkStatus();
}

std::string ToString(const TensorSpec& tensor) {
  std::string text = "'" + tensor.name + "' " + NameOf(tensor.dtype) + " [";
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    if (i > 0) text += ",";
    text += tensor.shape[i] < 0 ? "?" : std::to_string(tensor.shape[i]);
  }
  return text + "]";
}

std::string Serialize(const GroupSpec& spec) {
  std::string out;
  PutText(&out, spec.key);
  PutNumber(&out, static_cast<int64_t>(spec.kind));
  PutNumber(&out, static_cast<int64_t>(spec.op));
  PutNumber(&out, spec.root);
  PutNumber(&out, spec.device ? 1 : 0);
  PutNumber(&out, static_cast<int64_t>(spec.tensors.size()));
  for (const TensorSpec& tensor : spec.tensors) {
    PutText(&out, tensor.name);
    PutNumber(&out, static_cast<int64_t>(tensor.dtype));
    PutNumber(&out, static_cast<int64_t>(tensor.shape.size()));
    for (int64_t dim : tensor.shape) PutNumber(&out, dim);
  }
  return out;
}

Status Parse(const std::string& text, GroupSpec* spec) {
  Reader reader(text);
  int64_t kind, op, root, device, tensors;
  const Status malformed = Internal("a group's specification arrived malformed");
  if (!reader.Text(&spec->key) || !reader.Number(&kind) || !reader.Number(&op) ||
      !reader.Number(&root) || !reader.Number(&device) ||
      !reader.Length(&tensors, 3 * sizeof(int64_t))) {
    return malformed;
  }
  if (kind < 0 || kind > 2 || op < 0 || op > 1) return malformed;
  spec->kind = static_cast<CollectiveKind>(kind);
  spec->op = static_cast<ReduceOp>(op);
  spec->root = static_cast<int>(root);
  spec->device = device != 0;
  spec->tensors.resize(static_cast<size_t>(tensors));
  for (TensorSpec& tensor : spec->tensors) {
    if (!ParseTensor(&reader, &tensor)) return malformed;
  }
  return reader.AtEnd() ? OkStatus() : malformed;
}

std::string Difference(const GroupSpec& a, int rank_a, const GroupSpec& b, int rank_b) {
  if (a.kind != b.kind || a.op != b.op || a.root != b.root) {
    auto describe = [](const GroupSpec& spec) {
      std::string text = std::string(NameOf(spec.kind));
      if (spec.kind == CollectiveKind::kAllReduce) text += std::string(" ") + NameOf(spec.op);
      if (spec.kind == CollectiveKind::kBroadcast) {
        text += " from rank " + std::to_string(spec.root);
      }
      return text + " of " + ToString(spec.tensors[0]);
    };
    return describe(a) + OnRank(rank_a) + ", " + describe(b) + OnRank(rank_b);
  }
  const size_t n = std::max(a.tensors.size(), b.tensors.size());
  for (size_t i = 0; i < n; ++i) {
    const std::string which = "tensor " + std::to_string(i) + ": ";
    if (i >= a.tensors.size()) {
      return which + ToString(b.tensors[i]) + OnRank(rank_b) + ", none" + OnRank(rank_a);
    }
    if (i >= b.tensors.size()) {
      return which + ToString(a.tensors[i]) + OnRank(rank_a) + ", none" + OnRank(rank_b);
    }
    const TensorSpec& x = a.tensors[i];
    const TensorSpec& y = b.tensors[i];
    if (x.dtype != y.dtype || x.shape != y.shape) {
      return which + ToString(x) + OnRank(rank_a) + ", " + ToString(y) + OnRank(rank_b);
    }
  }
  if (a.device != b.device) {
    return "tensor 0: " + ToString(a.tensors[0]) + " in " + MemoryOf(a) + OnRank(rank_a) + ", in " +
           MemoryOf(b) + OnRank(rank_b);
  }
  if (a.key != b.key) {
    return "call site '" + a.key + "'" + OnRank(rank_a) + ", '" + b.key + "'" + OnRank(rank_b) +
           " (tensor 0: " + ToString(a.tensors[0]) + ")";
  }
  return "";
}

}  // namespace tf_ddl
