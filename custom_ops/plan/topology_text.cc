#include <algorithm>

#include "plan/topology.h"
#include "plan/words.h"

namespace tf_ddl {
namespace {

std::string CostText(const LinkCost& cost) {
  return NumberText(cost.alpha) + " " + NumberText(cost.beta);
}

LinkCost ReadCost(WordReader* reader) {
  LinkCost cost;
  cost.alpha = reader->Number();
  cost.beta = reader->Number();
  return cost;
}

}  // namespace

std::string Serialize(const Topology& topology) {
  std::string text = "topology 1\n";
  for (const Host& host : topology.hosts) {
    text += "host " + EscapeWord(host.name) + " " + std::to_string(host.gpus) + " " +
            ListText(host.ranks) + "\n";
    for (const Interface& interface : host.interfaces) {
      text += "interface " + EscapeWord(interface.name) + " " + EscapeWord(interface.address) +
              " " + EscapeWord(interface.network) + "\n";
    }
  }
  for (const std::string& rail : topology.rails) text += "rail " + EscapeWord(rail) + "\n";
  if (!topology.grid.empty()) text += "grid " + GridText(topology.grid) + "\n";
  return text;
}

Status Parse(const std::string& text, Topology* topology) {
  WordReader reader("topology", text);
  Topology read;
  read.rails.clear();
  if (!reader.NextLine() || reader.Word() != "topology" || reader.Integer(1, 1) != 1) {
    reader.Fail("it should begin with \"topology 1\"");
  }
  while (reader.NextLine()) {
    const std::string kind = reader.Word();
    if (kind == "host") {
      Host host;
      host.name = reader.Text();
      host.gpus = static_cast<int>(reader.Integer(0, kMostRanks));
      host.ranks = reader.List(kMostRanks);
      read.hosts.push_back(std::move(host));
    } else if (kind == "interface" && !read.hosts.empty()) {
      Interface interface;
      interface.name = reader.Text();
      interface.address = reader.Text();
      interface.network = reader.Text();
      read.hosts.back().interfaces.push_back(std::move(interface));
    } else if (kind == "rail") {
      read.rails.push_back(reader.Text());
    } else if (kind == "grid") {
      const Status status = ParseGrid(reader.Word(), 0, &read.grid);
      if (!status.ok()) reader.Fail(status.message());
    } else {
      reader.Fail("\"" + kind + "\" is not expected");
    }
  }
  DDL_RETURN_IF_ERROR(reader.status());
  if (read.rails.empty() && !read.hosts.empty()) DeriveRails(&read);
  DDL_RETURN_IF_ERROR(Validate(read).Prefixed("topology"));
  *topology = std::move(read);
  return OkStatus();
}

std::string Serialize(const LinkModel& links) {
  std::string text = "links 1\nlocal " + CostText(links.local) + "\n";
  text += "gamma " + NumberText(links.gamma) + "\n";
  for (const LinkCost& rail : links.rails) text += "rail " + CostText(rail) + "\n";
  for (const auto& [path, cost] : links.exceptions) {
    const auto& [rail, from, to] = path;
    text += "exception " + std::to_string(rail) + " " + std::to_string(from) + " " +
            std::to_string(to) + " " + CostText(cost) + "\n";
  }
  return text;
}

Status Parse(const std::string& text, LinkModel* links) {
  WordReader reader("links", text);
  LinkModel read;
  if (!reader.NextLine() || reader.Word() != "links" || reader.Integer(1, 1) != 1) {
    reader.Fail("it should begin with \"links 1\"");
  }
  while (reader.NextLine()) {
    const std::string kind = reader.Word();
    if (kind == "local") {
      read.local = ReadCost(&reader);
    } else if (kind == "gamma") {
      read.gamma = reader.Number();
    } else if (kind == "rail") {
      read.rails.push_back(ReadCost(&reader));
    } else if (kind == "exception") {
      const int rail = static_cast<int>(reader.Integer(0, kMostRanks));
      const int from = static_cast<int>(reader.Integer(0, kMostRanks));
      const int to = static_cast<int>(reader.Integer(0, kMostRanks));
      read.exceptions[{rail, from, to}] = ReadCost(&reader);
    } else {
      reader.Fail("\"" + kind + "\" is not expected");
    }
  }
  DDL_RETURN_IF_ERROR(reader.status());
  *links = std::move(read);
  return OkStatus();
}

}  // namespace tf_ddl
