#include <cmath>
#include <limits>

#include "plan/choose.h"
#include "plan/words.h"

namespace tf_ddl {

std::string ToString(const PlanSpec& spec) {
  std::string text;
  for (const Colour& colour : spec.colours) {
    if (!text.empty()) text += " + ";
    text += colour.algorithm;
    if (colour.algorithm == "grid") {
      text += colour.grid.empty() ? " by host" : " " + GridText(colour.grid);
    }
    if (!colour.order.empty()) text += " reduced in the order " + ListText(colour.order);
    if (!colour.hosts.empty()) text += " by way of hosts " + ListText(colour.hosts);
    text += " rail " + std::to_string(colour.rail);
    if (spec.colours.size() > 1)
      text += " " + std::to_string(std::lround(colour.share * 100)) + "%";
  }
  return text + ", chunks of " + BytesText(spec.chunk_bytes);
}

const PlanSpec& PlanTable::Find(int64_t bytes) const {
  size_t i = 0;
  while (i + 1 < entries.size() && entries[i].up_to_bytes < bytes) ++i;
  return entries[i].spec;
}

std::string Serialize(const PlanTable& table) {
  std::string text = "plans 1\n";
  for (const PlanTable::Entry& entry : table.entries) {
    text += "upto " + std::to_string(entry.up_to_bytes) + " " +
            std::to_string(entry.spec.chunk_bytes) + "\n";
    for (const Colour& colour : entry.spec.colours) {
      text += "colour " + colour.algorithm + " " +
              (colour.grid.empty() ? "-" : GridText(colour.grid)) + " " + ListText(colour.order) +
              " " + ListText(colour.hosts) + " " + std::to_string(colour.rail) + " " +
              NumberText(colour.share) + "\n";
    }
  }
  return text;
}

Status Parse(const std::string& text, PlanTable* table) {
  WordReader reader("plan table", text);
  PlanTable read;
  if (!reader.NextLine() || reader.Word() != "plans" || reader.Integer(1, 1) != 1) {
    reader.Fail("it should begin with \"plans 1\"");
  }
  double share = 1;
  const auto end_entry = [&] {
    if (std::abs(share - 1) > 1e-6) reader.Fail("the shares before it do not add up to 1");
  };
  while (reader.NextLine()) {
    const std::string kind = reader.Word();
    if (kind == "upto") {
      end_entry();
      PlanTable::Entry entry;
      entry.up_to_bytes = reader.Integer(0, std::numeric_limits<int64_t>::max());
      if (!read.entries.empty() && entry.up_to_bytes <= read.entries.back().up_to_bytes) {
        reader.Fail("sizes do not ascend");
      }
      entry.spec.chunk_bytes = reader.Integer(1, int64_t{1} << 40);
      share = 0;
      read.entries.push_back(std::move(entry));
    } else if (kind == "colour" && !read.entries.empty()) {
      Colour colour;
      colour.algorithm = reader.Word();
      if (!IsAlgorithm(colour.algorithm)) {
        reader.Fail("\"" + colour.algorithm + "\" is not an algorithm");
      }
      const std::string grid = reader.Word();
      if (grid != "-") {
        const Status status = ParseGrid(grid, 0, &colour.grid);
        if (!status.ok()) reader.Fail(status.message());
      }
      colour.order = reader.List(kMostRanks);
      colour.hosts = reader.List(kMostRanks);
      colour.rail = static_cast<int>(reader.Integer(0, kMostRanks));
      colour.share = reader.Number();
      if (!(colour.share >= 0 && colour.share <= 1)) reader.Fail("a share is from 0 to 1");
      share += colour.share;
      read.entries.back().spec.colours.push_back(std::move(colour));
    } else {
      reader.Fail("\"" + kind + "\" is not expected");
    }
  }
  end_entry();
  if (read.entries.empty() ||
      read.entries.back().up_to_bytes != std::numeric_limits<int64_t>::max()) {
    reader.Fail("the last entry is not for all sizes");
  }
  DDL_RETURN_IF_ERROR(reader.status());
  *table = std::move(read);
  return OkStatus();
}

}  // namespace tf_ddl
