// How the ranks of a job come to reduce GPU memory on the GPUs, or all of them by way of the host:
// each says whether it can and, if not, why; all decide alike; those that can then make their
// communicators together, and all use them or, if one could not be made, nobody does. Texts travel
// as control frames of the job's communicator, by way of rank 0, before there is an engine.
#ifndef TF_DDL_COMM_DEVICE_SETUP_H_
#define TF_DDL_COMM_DEVICE_SETUP_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "comm/communicator.h"
#include "comm/device_communicator.h"

namespace tf_ddl {

// What the user wants: GPUs where possible, GPUs or an error, the host.
enum class DeviceWish : int { kAuto = 0, kDevice = 1, kHost = 2 };

// What one rank says of itself.
struct DeviceOffer {
  DeviceWish wish = DeviceWish::kAuto;
  int ordinal = -1;     // of its GPU; -1: it uses none
  std::string why_not;  // "" or why its GPU's library cannot be used
  std::string version;  // of the library, must be the same on every rank
  std::string uuid;     // of the GPU, in all the world; "" if it is not known
  bool share = false;   // other ranks may use the same GPU
};

// How a communicator is made; nccl/ outside of tests.
struct DeviceFactory {
  // Bytes that every rank needs to meet the others; rank 0's are used.
  std::function<Status(std::string* id)> make_id;
  // Blocks until all ranks have met. `give_up` is asked meanwhile, on the same thread.
  std::function<Status(const std::string& id, const std::function<Status()>& give_up,
                       std::unique_ptr<DeviceCommunicator>* made)>
      create;
};

struct DeviceOutcome {
  std::unique_ptr<DeviceCommunicator> communicator;  // null: by way of the host
  // Why there is none, where one was wanted: "rank 1 (host-b): no libnccl was found". The same on
  // every rank. Empty: no rank has a GPU, or the user wants the host.
  std::string reason;
};

// All ranks call it at the same time. Errors: ranks that want different things, ranks that have
// come to the same GPU without being told to share it, no communicator although kDevice is wanted,
// a rank that died or is silent until `deadline`.
Status SetUpDevices(Communicator* communicator, DeviceOffer offer, const DeviceFactory& factory,
                    Deadline deadline, DeviceOutcome* outcome);

// What follows from everybody's offers. `reason` empty and `use` false: nothing is to be said.
struct DeviceDecision {
  bool use = false;
  std::string reason;
};
Status Decide(const std::vector<DeviceOffer>& offers,
              const std::function<std::string(int rank)>& name, DeviceDecision* decision);

}  // namespace tf_ddl

#endif  // TF_DDL_COMM_DEVICE_SETUP_H_
