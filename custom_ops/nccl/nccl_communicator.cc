#include "nccl/nccl_communicator.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "nccl/nccl_abi.h"
#include "nccl/worker.h"

namespace tf_ddl {
namespace {

// "" unless links were measured.
std::string MeasuredText(const DeviceLinks& links) {
  if (links.flat.beta <= 0) return "";
  char text[96];
  std::snprintf(text, sizeof text, ", a flat all-reduce takes %.3g us + %.3g us for each MB",
                1e6 * links.flat.alpha, 1e12 * links.flat.beta);
  return text;
}

class NcclCommunicator : public DeviceCommunicator {
 public:
  explicit NcclCommunicator(std::shared_ptr<Worker> worker) : worker_(std::move(worker)) {}
  ~NcclCommunicator() override { worker_->End(); }

  int rank() const override { return worker_->options().rank; }
  int size() const override { return worker_->options().size; }
  std::string Describe() const override {
    const int n = worker_->communicators();
    return "NCCL " + worker_->device()->libraries().nccl_version() + ", " +
           worker_->device()->name() + ", " + std::to_string(n) +
           (n == 1 ? " communicator" : " communicators") + ", kernels from " +
           worker_->kernels_form() + MeasuredText(worker_->links());
  }
  std::vector<DevicePlan> Plans(int64_t bytes) const override {
    return DevicePlanCandidates(worker_->topology(), worker_->links(), bytes);
  }
  Status RecordReady(void* stream, std::shared_ptr<DeviceEvent>* event) override {
    return worker_->device()->Record(stream, event);
  }
  void Start(std::unique_ptr<DeviceCollective> collective) override {
    worker_->Start(std::move(collective));
  }
  void Abort(const Status& status) override { worker_->Abort(status); }
  void set_on_failure(std::function<void(const Status&)> on_failure) override {
    worker_->set_on_failure(std::move(on_failure));
  }
  std::string DescribeLast() const override { return worker_->DescribeLast(); }
  LaunchCosts costs() const { return worker_->costs(); }
  const DeviceLinks& links() const { return worker_->links(); }

 private:
  const std::shared_ptr<Worker> worker_;
};

Status Validate(const NcclOptions& options) {
  if (options.size < 1 || options.rank < 0 || options.rank >= options.size) {
    return InvalidArgument("NCCL: rank " + std::to_string(options.rank) + " of " +
                           std::to_string(options.size));
  }
  if (options.unique_id.size() != kNcclUniqueIdBytes) {
    return InvalidArgument("NCCL: the unique id has " + std::to_string(options.unique_id.size()) +
                           " bytes, not 128: rank 0 makes it and hands it to all");
  }
  if (!options.hosts.empty() && options.hosts.size() != static_cast<size_t>(options.size)) {
    return InvalidArgument("NCCL: hosts of " + std::to_string(options.hosts.size()) +
                           " ranks for a job of " + std::to_string(options.size));
  }
  return tf_ddl::Validate(options.links);
}

Topology TopologyOf(const NcclOptions& options) {
  Topology topology;
  for (int rank = 0; rank < options.size; ++rank) {
    const std::string name = options.hosts.empty() ? "" : options.hosts[rank];
    auto host = std::find_if(topology.hosts.begin(), topology.hosts.end(),
                             [&](const Host& known) { return known.name == name; });
    if (host == topology.hosts.end()) {
      topology.hosts.emplace_back();
      host = topology.hosts.end() - 1;
      host->name = name;
    }
    host->ranks.push_back(rank);
  }
  return topology;
}

}  // namespace

Status MakeNcclUniqueId(const LibraryPaths& libraries, std::string* unique_id) {
  std::shared_ptr<const DeviceLibraries> opened;
  DDL_RETURN_IF_ERROR(DeviceLibraries::Open(libraries, &opened));
  NcclUniqueId id;
  const NcclResult result = opened->nccl().get_unique_id(&id);
  if (result != kNcclSuccess) {
    return Internal(
        "ncclGetUniqueId failed: " + std::string(opened->nccl().get_error_string(result)) +
        "; NCCL_DEBUG=WARN says more");
  }
  unique_id->assign(id.bytes, sizeof id.bytes);
  return OkStatus();
}

Status CreateNcclCommunicator(const NcclOptions& options,
                              std::unique_ptr<DeviceCommunicator>* communicator) {
  DDL_RETURN_IF_ERROR(Validate(options));
  std::shared_ptr<const DeviceLibraries> libraries;
  DDL_RETURN_IF_ERROR(DeviceLibraries::Open(options.libraries, &libraries));
  std::shared_ptr<Device> device;
  DDL_RETURN_IF_ERROR(Device::Open(std::move(libraries), options.ordinal, &device));
  auto worker = std::make_shared<Worker>(std::move(device), options, TopologyOf(options));
  auto made = std::make_unique<NcclCommunicator>(worker);
  DDL_RETURN_IF_ERROR(worker->Begin());
  *communicator = std::move(made);
  return OkStatus();
}

LaunchCosts NcclLaunchCosts(const DeviceCommunicator& communicator) {
  return dynamic_cast<const NcclCommunicator&>(communicator).costs();
}

DeviceLinks NcclDeviceLinks(const DeviceCommunicator& communicator) {
  return dynamic_cast<const NcclCommunicator&>(communicator).links();
}

}  // namespace tf_ddl
