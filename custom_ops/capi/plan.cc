#include "capi/plan.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "engine/recorder.h"
#include "plan/check.h"
#include "plan/choose.h"
#include "plan/cost.h"
#include "plan/planner.h"
#include "plan/words.h"

namespace tf_ddl {
namespace {

constexpr int32_t kMostRails = 1024;

std::string TextOf(const char* text) { return text == nullptr ? "" : text; }

template <typename T, typename F>
std::string List(const std::vector<T>& items, F&& format) {
  std::string text = "[";
  for (const T& item : items) {
    if (text.size() > 1) text += ",";
    text += format(item);
  }
  return text + "]";
}

std::string Integers(const std::vector<int>& numbers) {
  return List(numbers, [](int number) { return std::to_string(number); });
}

std::string CostText(const LinkCost& cost) {
  return "[" + NumberText(cost.alpha) + "," + NumberText(cost.beta) + "]";
}

std::string TopologyText(const Topology& topology) {
  const auto host = [](const Host& h) {
    return "{\"name\":" + JsonQuoted(h.name) + ",\"ranks\":" + Integers(h.ranks) +
           ",\"gpus\":" + std::to_string(h.gpus) + ",\"networks\":" +
           List(h.interfaces, [](const Interface& i) { return JsonQuoted(i.network); }) + "}";
  };
  return "{\"size\":" + std::to_string(topology.size()) +
         ",\"hosts\":" + List(topology.hosts, host) +
         ",\"rails\":" + List(topology.rails, JsonQuoted) + ",\"grid\":" + Integers(topology.grid) +
         "}";
}

std::string SpecText(const PlanSpec& spec, double seconds) {
  PlanTable table;
  table.entries.push_back({std::numeric_limits<int64_t>::max(), spec});
  return "{\"name\":" + JsonQuoted(ToString(spec)) + ",\"table\":" + JsonQuoted(Serialize(table)) +
         ",\"seconds\":" + NumberText(seconds) + "}";
}

std::string StepText(const Step& step) {
  static const char* kKinds[] = {"send", "recv", "recv-reduce", "reduce-slots", "scale", "copy"};
  static const char* kBuffers[] = {"input", "output", "scratch"};
  return std::string("{\"kind\":\"") + kKinds[static_cast<int>(step.kind)] +
         "\",\"peer\":" + std::to_string(step.peer) + ",\"begin\":" + std::to_string(step.begin) +
         ",\"end\":" + std::to_string(step.end) + ",\"buffer\":\"" +
         kBuffers[static_cast<int>(step.buffer)] + "\"}";
}

std::string PlanText(const Plan& plan) {
  const auto lane = [](const Lane& l) {
    return "{\"colour\":" + std::to_string(l.colour) + ",\"rail\":" + std::to_string(l.rail) +
           ",\"rounds\":" +
           List(l.rounds, [](const Round& round) { return List(round.steps, StepText); }) + "}";
  };
  return "{\"name\":" + JsonQuoted(plan.name) + ",\"rank\":" + std::to_string(plan.rank) +
         ",\"size\":" + std::to_string(plan.size) + ",\"count\":" + std::to_string(plan.count) +
         ",\"text\":" + JsonQuoted(ToString(plan)) + ",\"lanes\":" + List(plan.lanes, lane) + "}";
}

std::string ReportText(const CheckReport& report, const Topology& topology) {
  std::string links = "[", hosts = "[";
  for (const auto& [message, elements] : report.elements) {
    const auto& [from, to, rail] = message;
    if (links.size() > 1) links += ",";
    links += "[" + std::to_string(from) + "," + std::to_string(to) + "," + std::to_string(rail) +
             "," + std::to_string(elements) + "]";
  }
  for (size_t rail = 0; rail < topology.rails.size(); ++rail) {
    const auto sent = report.SentByHosts(topology, static_cast<int>(rail));
    const auto received = report.ReceivedByHosts(topology, static_cast<int>(rail));
    hosts += rail == 0 ? "[" : ",[";
    for (size_t h = 0; h < sent.size(); ++h) {
      hosts +=
          (h == 0 ? "[" : ",[") + std::to_string(sent[h]) + "," + std::to_string(received[h]) + "]";
    }
    hosts += "]";
  }
  return "{\"messages\":" + std::to_string(report.messages) +
         ",\"rounds\":" + std::to_string(report.rounds) + ",\"links\":" + links +
         "],\"hosts\":" + hosts + "]}";
}

Status ReadLinks(const char* text, const Topology& topology, LinkModel* links) {
  if (TextOf(text).empty()) {
    *links = UsualLinks(static_cast<int>(topology.rails.size()));
    return OkStatus();
  }
  return Parse(TextOf(text), links);
}

Status DescribeTopology(const char* text, std::string* json) {
  Topology topology;
  DDL_RETURN_IF_ERROR(Parse(TextOf(text), &topology));
  *json = TopologyText(topology);
  return OkStatus();
}

Status DescribeUsualLinks(int32_t rails, std::string* json) {
  if (rails < 1 || rails > kMostRails) {
    return InvalidArgument(std::to_string(rails) + " rails: there should be from 1 to " +
                           std::to_string(kMostRails));
  }
  const LinkModel links = UsualLinks(rails);
  *json = "{\"local\":" + CostText(links.local) + ",\"gamma\":" + NumberText(links.gamma) +
          ",\"rails\":" + List(links.rails, CostText) + "}";
  return OkStatus();
}

Status DescribeCandidates(const char* topology_text, const char* links_text, int64_t bytes,
                          const PlanWishes& wishes, std::string* json) {
  Topology topology;
  LinkModel links;
  DDL_RETURN_IF_ERROR(Parse(TextOf(topology_text), &topology));
  DDL_RETURN_IF_ERROR(ReadLinks(links_text, topology, &links));
  if (bytes < 0) return InvalidArgument("a bucket of " + std::to_string(bytes) + " bytes");
  PlanTable table;
  DDL_RETURN_IF_ERROR(ChoosePlans(topology, links, wishes, &table));
  const auto candidates = Candidates(topology, links, bytes, wishes);
  const auto candidate = [](const Candidate& c) { return SpecText(c.spec, c.seconds); };
  const auto entry = [](const PlanTable::Entry& e) {
    return "{\"up_to_bytes\":" + std::to_string(e.up_to_bytes) +
           ",\"name\":" + JsonQuoted(ToString(e.spec)) + "}";
  };
  const PlanSpec& chosen = table.Find(bytes);
  *json = "{\"candidates\":" + List(candidates, candidate) +
          ",\"chosen\":" + SpecText(chosen, PredictSeconds(chosen, topology, links, bytes)) +
          ",\"by_size\":" + List(table.entries, entry) +
          ",\"table\":" + JsonQuoted(Serialize(table)) + "}";
  return OkStatus();
}

// Texts of a topology and of plans for it, and the size of a bucket.
struct Request {
  Topology topology;
  PlanTable table;
  int64_t count = 0;
  int64_t element_bytes = 0;

  Status Read(const char* topology_text, const char* table_text) {
    DDL_RETURN_IF_ERROR(Parse(TextOf(topology_text), &topology));
    DDL_RETURN_IF_ERROR(Parse(TextOf(table_text), &table));
    DDL_RETURN_IF_ERROR(Validate(table, topology));
    constexpr int64_t kMostElements = int64_t{1} << 50;
    if (count < 0 || count > kMostElements || element_bytes < 1 || element_bytes > 16) {
      return InvalidArgument("a bucket of " + std::to_string(count) + " elements of " +
                             std::to_string(element_bytes) + " bytes");
    }
    return OkStatus();
  }
  Plan MakeFor(int rank) const {
    return MakePlan(table.Find(count * element_bytes), topology, rank, count, element_bytes);
  }
};

Status DescribeSteps(const char* topology, const char* table, int32_t rank, Request request,
                     std::string* json) {
  DDL_RETURN_IF_ERROR(request.Read(topology, table));
  if (rank < 0 || rank >= request.topology.size()) {
    return InvalidArgument("rank " + std::to_string(rank) + " of " +
                           std::to_string(request.topology.size()));
  }
  *json = PlanText(request.MakeFor(rank));
  return OkStatus();
}

Status DescribeCheck(const char* topology, const char* table, Request request, std::string* json) {
  DDL_RETURN_IF_ERROR(request.Read(topology, table));
  std::vector<Plan> plans;
  for (int rank = 0; rank < request.topology.size(); ++rank) {
    plans.push_back(request.MakeFor(rank));
  }
  CheckReport report;
  DDL_RETURN_IF_ERROR(CheckAllReduce(plans, &report));
  *json = ReportText(report, request.topology);
  return OkStatus();
}

// Hands over the text or the error.
int Answer(const Status& status, const std::string& text, char** json, char* error,
           size_t error_size) {
  *json = nullptr;
  if (!status.ok()) {
    if (error_size > 0) std::snprintf(error, error_size, "%s", status.message().c_str());
    return static_cast<int>(status.code());
  }
  *json = static_cast<char*>(std::malloc(text.size() + 1));
  if (*json == nullptr) return static_cast<int>(Code::kInternal);
  std::memcpy(*json, text.c_str(), text.size() + 1);
  return 0;
}

}  // namespace
}  // namespace tf_ddl

int ddl_plan_topology(const char* topology, char** json, char* error, size_t error_size) {
  std::string text;
  const auto status = tf_ddl::DescribeTopology(topology, &text);
  return tf_ddl::Answer(status, text, json, error, error_size);
}

int ddl_plan_usual_links(int32_t rails, char** json, char* error, size_t error_size) {
  std::string text;
  const auto status = tf_ddl::DescribeUsualLinks(rails, &text);
  return tf_ddl::Answer(status, text, json, error, error_size);
}

int ddl_plan_candidates(const char* topology, const char* links, int64_t bytes, const char* plan,
                        int64_t chunk_bytes, int32_t all_pull, char** json, char* error,
                        size_t error_size) {
  std::string text;
  tf_ddl::PlanWishes wishes;
  wishes.plan = tf_ddl::TextOf(plan);
  wishes.chunk_bytes = chunk_bytes;
  wishes.all_pull = all_pull != 0;
  const auto status = tf_ddl::DescribeCandidates(topology, links, bytes, wishes, &text);
  return tf_ddl::Answer(status, text, json, error, error_size);
}

int ddl_plan_steps(const char* topology, const char* table, int32_t rank, int64_t count,
                   int64_t element_bytes, char** json, char* error, size_t error_size) {
  std::string text;
  tf_ddl::Request request;
  request.count = count;
  request.element_bytes = element_bytes;
  const auto status = tf_ddl::DescribeSteps(topology, table, rank, request, &text);
  return tf_ddl::Answer(status, text, json, error, error_size);
}

int ddl_plan_check(const char* topology, const char* table, int64_t count, int64_t element_bytes,
                   char** json, char* error, size_t error_size) {
  std::string text;
  tf_ddl::Request request;
  request.count = count;
  request.element_bytes = element_bytes;
  const auto status = tf_ddl::DescribeCheck(topology, table, request, &text);
  return tf_ddl::Answer(status, text, json, error, error_size);
}
