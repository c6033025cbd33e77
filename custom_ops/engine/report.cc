#include "engine/report.h"

#include <cmath>
#include <sstream>
#include <utility>

namespace tf_ddl {

std::string Serialize(const Report& report) {
  std::ostringstream text;
  text.precision(9);
  text << report.group << ' ' << report.epoch << ' ' << report.exposed << ' ' << report.whole;
  for (const RailReport& rail : report.rails) {
    text << ' ' << rail.bytes << ' ' << rail.seconds << ' ' << rail.precise;
  }
  return text.str();
}

Status Parse(const std::string& text, int rails, Report* report) {
  std::istringstream in(text);
  Report out;
  const auto good = [](double value) { return std::isfinite(value) && value >= 0; };
  bool valid = static_cast<bool>(in >> out.group >> out.epoch >> out.exposed >> out.whole) &&
               good(out.exposed) && good(out.whole);
  for (int rail = 0; valid && rail < rails; ++rail) {
    RailReport use;
    valid = static_cast<bool>(in >> use.bytes >> use.seconds >> use.precise) && good(use.bytes) &&
            good(use.seconds) && good(use.precise);
    out.rails.push_back(use);
  }
  std::string rest;
  if (!valid || in >> rest) return Internal("sent a report that makes no sense");
  *report = std::move(out);
  return OkStatus();
}

}  // namespace tf_ddl
