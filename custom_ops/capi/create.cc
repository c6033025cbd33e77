// How an engine comes about: joining the job, deciding about GPUs, the engine itself.
#include <algorithm>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "capi/ddl.h"
#include "capi/internal.h"
#include "capi/order_check.h"
#include "comm/device_setup.h"
#include "comm/host.h"
#include "engine/engine.h"
#include "engine/recorder.h"
#include "nccl/device.h"
#include "nccl/nccl_communicator.h"

namespace {

using tf_ddl::Communicator;
using tf_ddl::DeviceOffer;
using tf_ddl::DeviceOutcome;
using tf_ddl::Engine;
using tf_ddl::LibraryPaths;
using tf_ddl::Status;
using tf_ddl::TextOf;

std::vector<std::string> Lines(const char* text) {
  std::vector<std::string> lines;
  std::istringstream in(TextOf(text));
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

LibraryPaths PathsOf(const ddl_gpu_config& gpu) {
  LibraryPaths paths;
  paths.nccl = Lines(gpu.nccl_libraries);
  paths.cuda = Lines(gpu.cuda_libraries);
  paths.only_these_nccl = gpu.only_nccl != 0;
  paths.only_these_cuda = gpu.only_cuda != 0;
  return paths;
}

tf_ddl::JobConfig JobOf(const ddl_config& config) {
  tf_ddl::JobConfig job;
  job.rank = config.rank;
  job.size = config.size;
  job.rendezvous = TextOf(config.rendezvous);
  job.secret = TextOf(config.secret);
  job.host_store = config.host_store != 0;
  job.join_timeout = config.join_timeout;
  job.use_shared_memory = config.use_shared_memory != 0;
  job.use_cma = config.use_cma != 0;
  job.interfaces = TextOf(config.interfaces);
  job.sockets_per_rail = config.sockets_per_rail;
  return job;
}

tf_ddl::EngineOptions OptionsOf(const ddl_config& config) {
  tf_ddl::EngineOptions options;
  options.bucket_bytes = config.bucket_bytes;
  options.first_bucket_bytes = config.first_bucket_bytes;
  options.timeout = config.timeout;
  options.stall_warning = config.stall_warning;
  options.plan = TextOf(config.plan);
  options.chunk_bytes = config.chunk_bytes;
  options.compression = static_cast<tf_ddl::WireFormat>(config.compression);
  options.autotune = config.autotune != 0;
  options.tune_buckets = config.tune_buckets != 0;
  options.deterministic = config.deterministic != 0;
  options.own_cores = config.own_cores != 0;
  return options;
}

// What this rank can say of its GPU before it meets the others.
DeviceOffer OfferOf(const ddl_gpu_config& gpu) {
  DeviceOffer offer;
  offer.wish = static_cast<tf_ddl::DeviceWish>(gpu.reduction);
  offer.ordinal = gpu.ordinal;
  if (gpu.ordinal < 0 || offer.wish == tf_ddl::DeviceWish::kHost) return offer;
  std::shared_ptr<const tf_ddl::DeviceLibraries> libraries;
  const Status status = tf_ddl::DeviceLibraries::Open(PathsOf(gpu), &libraries);
  offer.why_not = status.message();
  offer.share = gpu.share != 0;
  if (status.ok()) {
    offer.version = libraries->nccl_version();
    offer.uuid = tf_ddl::Device::Uuid(*libraries, gpu.ordinal);
  }
  return offer;
}

Status SetUpGpus(Communicator* communicator, const ddl_gpu_config& gpu, const ddl_config& config,
                 DeviceOutcome* outcome) {
  tf_ddl::NcclOptions nccl;
  nccl.libraries = PathsOf(gpu);
  nccl.ordinal = gpu.ordinal;
  nccl.rank = communicator->rank();
  nccl.size = communicator->size();
  nccl.init_seconds = config.join_timeout;
  nccl.measure_links = config.measure_links != 0 && config.deterministic == 0;
  // By the topology, which the user may have given, not by the machines' names.
  const tf_ddl::Topology& topology = communicator->topology();
  nccl.hosts.resize(nccl.size);
  for (const auto& host : topology.hosts) {
    for (int rank : host.ranks) nccl.hosts[rank] = host.name;
  }
  tf_ddl::DeviceFactory factory;
  factory.make_id = [&nccl](std::string* id) {
    return tf_ddl::MakeNcclUniqueId(nccl.libraries, id);
  };
  factory.create = [&nccl](const std::string& id, const std::function<Status()>& give_up,
                           std::unique_ptr<tf_ddl::DeviceCommunicator>* made) {
    nccl.unique_id = id;
    nccl.give_up = give_up;
    return tf_ddl::CreateNcclCommunicator(nccl, made);
  };
  return SetUpDevices(communicator, OfferOf(gpu), factory, tf_ddl::DeadlineIn(config.join_timeout),
                      outcome);
}

Status Create(const ddl_config& config, const ddl_gpu_config& gpu, int64_t* engine,
              std::string* outcome) {
  std::unique_ptr<Communicator> communicator;
  DeviceOutcome device;
  // A world of one leaves GPU memory as it is.
  bool used = config.size == 1 && gpu.ordinal >= 0 &&
              static_cast<tf_ddl::DeviceWish>(gpu.reduction) != tf_ddl::DeviceWish::kHost;
  std::string description;
  if (config.size > 1) {
    tf_ddl::CommOptions comm;
    comm.measure_links = config.measure_links != 0;
    comm.huge_pages = config.huge_pages != 0;
    comm.grid = TextOf(config.grid);
    comm.topology = TextOf(config.topology);
    comm.links = TextOf(config.links);
    DDL_RETURN_IF_ERROR(tf_ddl::CreateHostCommunicator(JobOf(config), comm, &communicator));
    const Status status = SetUpGpus(communicator.get(), gpu, config, &device);
    if (!status.ok()) {
      communicator->Close(status);  // tells those that still wait
      return status;
    }
    used = device.communicator != nullptr;
    if (used) description = device.communicator->Describe();
  }
  std::shared_ptr<Engine> made =
      Engine::Create(std::move(communicator), OptionsOf(config), std::move(device.communicator));
  DDL_RETURN_IF_ERROR(tf_ddl::OrderCheck::Register(made.get()));
  *engine = tf_ddl::PublishEngine(std::move(made));
  *outcome = std::string("{\"used\":") + (used ? "true" : "false") +
             ",\"description\":" + tf_ddl::JsonQuoted(description) +
             ",\"reason\":" + tf_ddl::JsonQuoted(device.reason) + "}";
  return tf_ddl::OkStatus();
}

}  // namespace

int ddl_engine_create(const ddl_config* config, int64_t* engine, char* error, size_t error_size) {
  ddl_gpu_config none = {};
  none.ordinal = -1;
  std::string outcome;
  return tf_ddl::Report(Create(*config, none, engine, &outcome), error, error_size);
}

int ddl_engine_create_with_gpu(const ddl_config* config, const ddl_gpu_config* gpu, int64_t* engine,
                               char** outcome, char* error, size_t error_size) {
  std::string text;
  const Status status = Create(*config, *gpu, engine, &text);
  *outcome = status.ok() ? tf_ddl::Copied(text) : nullptr;
  return tf_ddl::Report(status, error, error_size);
}

char* ddl_gpu_report(const ddl_gpu_config* gpu) {
  return tf_ddl::Copied(tf_ddl::ReportDeviceLibraries(PathsOf(*gpu)));
}
