// The progress thread's part in choosing plans: measuring epochs, reporting them to rank 0, taking
// its advice. Rank 0 gives advice for an epoch a few calls before the epoch begins, so that nobody
// has to wait for it.
#include <algorithm>
#include <sstream>
#include <utility>

#include "base/log.h"
#include "base/median.h"
#include "base/sha256.h"
#include "base/time.h"
#include "engine/progress_engine.h"

namespace tf_ddl {
namespace {

constexpr size_t kKeptNews = 100;
// In an epoch, after this call rank 0 has the reports of the last epoch and advises on the next.
constexpr uint64_t kAdviceCall = 1;

// What must be the same on every rank, or buckets would not fit each other: words of "name=value".
std::string SharedSettings(const EngineOptions& options, const Topology& topology) {
  Sha256 hash;
  const std::string text = Serialize(topology);
  hash.Update(text.data(), text.size());
  const Digest digest = hash.Finish();
  std::ostringstream out;
  out << "bucket_bytes=" << options.bucket_bytes
      << " first_bucket_bytes=" << options.first_bucket_bytes
      << " tune_buckets=" << options.tune_buckets << " autotune=" << options.autotune
      << " deterministic=" << options.deterministic
      << " compression=" << static_cast<int>(options.compression) << " topology=#"
      << (digest[0] << 16 | digest[1] << 8 | digest[2]);
  return out.str();
}

// kInvalidArgument that names the first setting in which this rank differs from rank 0.
Status CompareSettings(const std::string& own, const std::string& rank0, int rank) {
  std::istringstream ours(own), theirs(rank0);
  std::string our, their;
  while (ours >> our) {
    theirs >> their;
    if (our == their) continue;
    return InvalidArgument("rank 0 has " + their + ", " + RankText(rank) + " has " + our +
                           ": every rank needs the same settings");
  }
  return OkStatus();
}

double Seconds(int64_t nanos) { return static_cast<double>(nanos) * 1e-9; }

}  // namespace

// Rank 0, before anything else is sent: the table that everybody starts with.
void ProgressEngine::ChooseFirstPlans() {
  if (rank_ != 0) return;
  Status status = adviser_.ChooseFirst();
  if (status.ok() && device_ != nullptr) status = device_plans_.CheckWishes();
  if (!status.ok()) return Fail(status);
  PublishPlans(0);
  const std::string payload =
      "0 " + SharedSettings(options_, book_.topology()) + "\n" + Serialize(book_.table(0));
  for (int peer = 1; peer < size_; ++peer) {
    communicator_->SendControl(peer, ControlKind::kPlans, payload);
  }
}

// The end of a call on this rank.
void ProgressEngine::Measure(Group* group, const Call& call, int64_t now) {
  if (!group->adaptive()) return;
  const uint64_t epoch = group->EpochOf(call.number);
  EpochTimes& times = times_[group->id()];
  if (times.epoch != epoch) times = EpochTimes{epoch, {}, {}};
  times.exposed.push_back(Seconds(now - call.last_arrival_at));
  times.whole.push_back(Seconds(now - call.first_arrival_at));
  const uint64_t place = call.number % group->epoch_calls();
  if (place == group->epoch_calls() - 1) {
    Report report;
    report.group = group->id();
    report.epoch = epoch;
    report.exposed = Median(times.exposed);
    report.whole = Median(times.whole);
    report.rails = rail_rates_.Take();
    if (rank_ == 0) {
      adviser_.Take(0, report);
    } else {
      communicator_->SendControl(0, ControlKind::kReport, Serialize(report));
    }
  } else if (rank_ == 0 && place == kAdviceCall) {
    Advise(group, epoch + 1);
  }
}

// What PlansJson shows, for threads that do not drive.
void ProgressEngine::PublishPlans(int version) {
  if (version == published_) return;
  published_ = version;
  const LinkModel& links = rank_ == 0 ? adviser_.links() : communicator_->links();
  std::ostringstream text;
  text << "{\"topology\":" << JsonQuoted(Serialize(book_.topology()))
       << ",\"links\":" << JsonQuoted(Serialize(links))
       << ",\"table\":" << JsonQuoted(Serialize(book_.table(version)))
       << ",\"plan\":" << JsonQuoted(options_.plan) << ",\"chunk_bytes\":" << options_.chunk_bytes
       << ",\"all_pull\":" << (communicator_->all_pull() && book_.topology().OnOneHost() ? 1 : 0);
  text << ",\"by_size\":[";
  const char* separator = "";
  for (const PlanTable::Entry& entry : book_.table(version).entries) {
    text << std::exchange(separator, ",") << "{\"up_to_bytes\":" << entry.up_to_bytes
         << ",\"name\":" << JsonQuoted(ToString(entry.spec)) << "}";
  }
  text << "]";
  if (device_ != nullptr) text << ",\"device\":" << JsonQuoted(device_->Describe());
  std::lock_guard<std::mutex> lock(mutex_);
  plans_json_ = text.str();
}

std::string ProgressEngine::PlansJson() const {
  std::string text;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (plans_json_.empty()) return "{}";  // rank 0 has not said yet
    text = plans_json_ + ",\"news\":[";
    for (const std::string& each : news_) {
      text += (&each == &news_.front() ? "" : ",") + JsonQuoted(each);
    }
  }
  return text + "],\"buckets\":" + recorder_.BucketsJson() + "}";
}

void ProgressEngine::OnReport(int peer, const std::string& payload) {
  Report report;
  const Status status = Parse(payload, static_cast<int>(book_.topology().rails.size()), &report);
  if (rank_ != 0 || !status.ok()) return Fail(status.Prefixed(RankText(peer)));
  adviser_.Take(peer, report);
}

void ProgressEngine::Advise(Group* group, uint64_t epoch) {
  const int known = book_.newest();
  const Advice advice = adviser_.For(group->id(), group->tensor_bytes(), epoch,
                                     group->spec().device ? &device_plans_ : nullptr);
  for (std::string& text : adviser_.TakeNews()) {
    if (text.rfind("tuned", 0) == 0) {
      DDL_LOG(kInfo) << text;
    } else {
      DDL_LOG(kWarning) << text;
    }
    std::lock_guard<std::mutex> lock(mutex_);
    if (news_.size() < kKeptNews) news_.push_back(std::move(text));
  }
  std::ostringstream payload;
  payload << group->id() << ' ' << epoch << ' ' << advice.plans << ' ' << advice.bucket_bytes << ' '
          << advice.sockets << '\n';
  if (advice.plans > known) payload << Serialize(book_.table(advice.plans));
  for (int peer = 1; peer < size_; ++peer) {
    communicator_->SendControl(peer, ControlKind::kPlans, payload.str());
  }
  Follow(group, epoch, advice);
}

// A rank other than 0 is told what to do.
void ProgressEngine::OnPlans(const std::string& payload) {
  std::istringstream text(payload);
  uint64_t id = 0, epoch = 0;
  Advice advice;
  bool readable = static_cast<bool>(text >> id);
  if (readable && id == 0) {  // the first table
    std::string settings;
    std::getline(text, settings);
    const Status status =
        CompareSettings(SharedSettings(options_, book_.topology()), settings, rank_);
    if (!status.ok()) return Fail(status);
  } else {
    readable = readable && text >> epoch >> advice.plans >> advice.bucket_bytes >> advice.sockets;
  }
  const size_t line = payload.find('\n');
  if (readable && line != std::string::npos && line + 1 < payload.size()) {
    PlanTable table;
    Status status = Parse(payload.substr(line + 1), &table);
    if (status.ok()) status = book_.Add(advice.plans, std::move(table));
    if (!status.ok()) return Fail(status.Prefixed("rank 0's choice of plans"));
  }
  if (!readable || !book_.Has(advice.plans)) {
    return Fail(Internal("rank 0 sent plans that make no sense"));
  }
  if (id == 0) return PublishPlans(advice.plans);
  const auto found = groups_.find(id);
  if (found == groups_.end() || !found->second->adaptive() || epoch == 0 ||
      advice.bucket_bytes < 1) {
    return Fail(Internal("rank 0 sent plans for a group that there is not"));
  }
  Follow(found->second.get(), epoch, advice);
}

void ProgressEngine::Follow(Group* group, uint64_t epoch, const Advice& advice) {
  PublishPlans(advice.plans);
  if (advice.sockets != kSocketsAsTheyAre) communicator_->UseSockets(advice.sockets);
  group->SetAdvice(epoch, advice);
  for (const auto& call : group->calls()) StartComplete(group, call.get());
}

}  // namespace tf_ddl
