#include "comm/device_setup.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "base/log.h"
#include "comm/text_exchange.h"

namespace tf_ddl {
namespace {

enum Rounds : int { kOffers = 0, kMade = 1 };
const char* const kGood = "made";
const char* const kGaveUp = "gave up";

const char* NameOf(DeviceWish wish) {
  return wish == DeviceWish::kAuto ? "auto" : wish == DeviceWish::kHost ? "host" : "nccl";
}

// "<wish> <ordinal> <version> <uuid> <share> <bytes of why_not>\n<why_not><id>"
std::string Serialize(const DeviceOffer& offer, const std::string& id) {
  std::ostringstream text;
  text << static_cast<int>(offer.wish) << ' ' << offer.ordinal << ' '
       << (offer.version.empty() ? "-" : offer.version) << ' '
       << (offer.uuid.empty() ? "-" : offer.uuid) << ' ' << offer.share << ' '
       << offer.why_not.size() << '\n'
       << offer.why_not << id;
  return text.str();
}

bool Parse(const std::string& text, DeviceOffer* offer, std::string* id) {
  std::istringstream in(text);
  int wish = 0;
  size_t bytes = 0;
  if (!(in >> wish >> offer->ordinal >> offer->version >> offer->uuid >> offer->share >> bytes) ||
      in.get() != '\n') {
    return false;
  }
  if (offer->uuid == "-") offer->uuid.clear();
  if (wish < 0 || wish > 2) return false;
  const size_t at = static_cast<size_t>(in.tellg());
  if (bytes > text.size() - at) return false;
  offer->wish = static_cast<DeviceWish>(wish);
  offer->why_not = text.substr(at, bytes);
  *id = text.substr(at + bytes);
  return true;
}

bool AnyFailed(const std::vector<std::string>& texts) {
  return std::any_of(texts.begin(), texts.end(), [](const std::string& text) {
    return !text.empty() && text != kGood && text != kGaveUp;
  });
}

}  // namespace

Status Decide(const std::vector<DeviceOffer>& offers,
              const std::function<std::string(int rank)>& name, DeviceDecision* decision) {
  *decision = DeviceDecision();
  const auto has_gpu = [](const DeviceOffer& offer) { return offer.ordinal >= 0; };
  const auto first = std::find_if(offers.begin(), offers.end(), has_gpu);
  if (first == offers.end()) return OkStatus();
  const int first_rank = static_cast<int>(first - offers.begin());
  for (size_t rank = 0; rank < offers.size(); ++rank) {
    if (!has_gpu(offers[rank]) || offers[rank].wish == first->wish) continue;
    return InvalidArgument(name(first_rank) + " has gpu_reduction=" + NameOf(first->wish) + ", " +
                           name(static_cast<int>(rank)) + " has gpu_reduction=" +
                           NameOf(offers[rank].wish) + ": every rank needs the same settings");
  }
  if (first->wish == DeviceWish::kHost) return OkStatus();
  for (size_t rank = 0; rank < offers.size() && decision->reason.empty(); ++rank) {
    const DeviceOffer& offer = offers[rank];
    const std::string who = name(static_cast<int>(rank));
    if (!has_gpu(offer)) {
      decision->reason = who + " uses no GPU, " + name(first_rank) + " does";
    } else if (!offer.why_not.empty()) {
      decision->reason = who + ": " + offer.why_not;
    } else if (offer.version != first->version) {
      decision->reason =
          who + " has NCCL " + offer.version + ", " + name(first_rank) + " NCCL " + first->version;
    }
  }
  for (size_t rank = 1; rank < offers.size(); ++rank) {
    const DeviceOffer& offer = offers[rank];
    for (size_t other = 0; other < rank && !offer.uuid.empty(); ++other) {
      if (offers[other].uuid != offer.uuid || (offer.share && offers[other].share)) continue;
      return InvalidArgument(
          name(static_cast<int>(other)) + " and " + name(static_cast<int>(rank)) +
          " have come to the same GPU, number " + std::to_string(offer.ordinal) +
          ". Start them by ddlrun, or give each DDL_LOCAL_RANK and DDL_LOCAL_SIZE, by which it "
          "takes its own; DDL_SHARE_GPUS=1 lets them share it");
    }
  }
  decision->use = decision->reason.empty();
  if (!decision->use && first->wish == DeviceWish::kDevice) {
    return FailedPrecondition("gpu_reduction=nccl is not possible: " + decision->reason);
  }
  return OkStatus();
}

Status SetUpDevices(Communicator* communicator, DeviceOffer offer, const DeviceFactory& factory,
                    Deadline deadline, DeviceOutcome* outcome) {
  const auto name = [communicator](int rank) {
    return "rank " + std::to_string(rank) + " (" + communicator->HostOf(rank) + ")";
  };
  const auto never = [](const std::vector<std::string>&) { return false; };
  TextExchange exchange(communicator, ControlKind::kDeviceSetup, "GPUs were set up", deadline);
  std::string id;
  if (communicator->rank() == 0 && offer.ordinal >= 0 && offer.why_not.empty() &&
      offer.wish != DeviceWish::kHost) {
    const Status status = factory.make_id(&id);
    if (!status.ok()) offer.why_not = status.message();
  }
  exchange.Say(kOffers, Serialize(offer, id));
  std::vector<std::string> texts;
  DDL_RETURN_IF_ERROR(exchange.Hear(kOffers, never, &texts));
  std::vector<DeviceOffer> offers(texts.size());
  for (size_t rank = 0; rank < texts.size(); ++rank) {
    std::string ignored;
    if (!Parse(texts[rank], &offers[rank], rank == 0 ? &id : &ignored)) {
      return Internal(name(static_cast<int>(rank)) + " says nonsense of its GPU");
    }
  }
  DeviceDecision decision;
  DDL_RETURN_IF_ERROR(Decide(offers, name, &decision));
  outcome->reason = decision.reason;
  if (decision.use) {
    // Whoever cannot make its communicator says so, and those that wait for it give up.
    std::unique_ptr<DeviceCommunicator> made;
    bool gave_up = false;
    const auto give_up = [&] {
      const Status status = exchange.Look(kMade, AnyFailed);
      gave_up = gave_up || !status.ok();
      return status;
    };
    const Status status = factory.create(id, give_up, &made);
    exchange.Say(kMade, status.ok() ? kGood : gave_up ? kGaveUp : status.message());
    DDL_RETURN_IF_ERROR(exchange.Hear(kMade, AnyFailed, &texts));
    for (size_t rank = 0; rank < texts.size() && outcome->reason.empty(); ++rank) {
      if (texts[rank].empty() || texts[rank] == kGood || texts[rank] == kGaveUp) continue;
      outcome->reason = name(static_cast<int>(rank)) + ": " + texts[rank];
    }
    if (outcome->reason.empty()) {
      outcome->communicator = std::move(made);
    } else if (made != nullptr) {
      made->Abort(Cancelled(outcome->reason));
    }
    if (!outcome->reason.empty() && offer.wish == DeviceWish::kDevice) {
      return Unavailable("gpu_reduction=nccl is not possible: " + outcome->reason);
    }
  }
  if (!outcome->reason.empty() && communicator->rank() == 0) {
    DDL_LOG(kWarning) << "gradients on GPUs are reduced by way of host memory, which is slower: "
                      << outcome->reason << ". DDL_GPU_REDUCTION=host says that this is wanted";
  }
  return OkStatus();
}

}  // namespace tf_ddl
