#include "transport/interfaces.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <fstream>
#include <sstream>

namespace tf_ddl {
namespace {

struct Bits {
  const uint8_t* bytes = nullptr;
  size_t size = 0;
};

Bits BitsOf(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(address);
    return {reinterpret_cast<const uint8_t*>(&in->sin_addr), sizeof in->sin_addr};
  }
  const auto* in6 = reinterpret_cast<const sockaddr_in6*>(address);
  return {reinterpret_cast<const uint8_t*>(&in6->sin6_addr), sizeof in6->sin6_addr};
}

std::string Text(int family, const uint8_t* bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(family, bytes, text, sizeof text);
  return text;
}

std::string NetworkOf(const sockaddr* address, const sockaddr* mask) {
  const Bits own = BitsOf(address);
  const Bits kept = BitsOf(mask);
  uint8_t network[sizeof(in6_addr)] = {};
  int prefix = 0;
  for (size_t i = 0; i < own.size; ++i) {
    network[i] = own.bytes[i] & kept.bytes[i];
    for (int bit = 0; bit < 8; ++bit) prefix += kept.bytes[i] >> bit & 1;
  }
  return Text(address->sa_family, network) + "/" + std::to_string(prefix);
}

int SpeedOf(const std::string& name) {
  std::ifstream file("/sys/class/net/" + name + "/speed");
  int speed = 0;  // -1 where the driver knows none
  return file >> speed && speed > 0 ? speed : 0;
}

bool LeadsToOthers(const ifaddrs& entry) {
  constexpr unsigned kUp = IFF_UP | IFF_RUNNING;
  if (entry.ifa_addr == nullptr || entry.ifa_netmask == nullptr) return false;
  if ((entry.ifa_flags & kUp) != kUp || (entry.ifa_flags & IFF_LOOPBACK) != 0) return false;
  if (entry.ifa_addr->sa_family == AF_INET) return true;
  if (entry.ifa_addr->sa_family != AF_INET6) return false;
  return !IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(entry.ifa_addr)->sin6_addr);
}

}  // namespace

std::vector<HostInterface> UsableInterfaces() {
  std::vector<HostInterface> found[2];
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (!LeadsToOthers(*entry)) continue;
    HostInterface interface;
    interface.name = entry->ifa_name;
    interface.name = interface.name.substr(0, interface.name.find(':'));  // "eth0:1" is eth0
    interface.address = Text(entry->ifa_addr->sa_family, BitsOf(entry->ifa_addr).bytes);
    interface.network = NetworkOf(entry->ifa_addr, entry->ifa_netmask);
    interface.speed_mbit = SpeedOf(interface.name);
    found[entry->ifa_addr->sa_family == AF_INET6].push_back(std::move(interface));
  }
  freeifaddrs(list);
  found[0].insert(found[0].end(), found[1].begin(), found[1].end());
  return found[0];
}

Status SelectInterfaces(const std::string& names, const std::string& hostname,
                        std::vector<HostInterface>* interfaces) {
  std::vector<HostInterface> selected;
  std::istringstream list(names);
  bool any = false;
  for (std::string name; std::getline(list, name, ',');) {
    name.erase(0, name.find_first_not_of(" \t"));
    name.erase(name.find_last_not_of(" \t") + 1);
    if (name.empty()) continue;
    any = true;
    const size_t before = selected.size();
    for (const HostInterface& each : *interfaces) {
      if (each.name == name) selected.push_back(each);
    }
    if (selected.size() > before) continue;
    std::string there;
    for (const HostInterface& each : *interfaces) {
      if (there.find(each.name) == std::string::npos) {
        there += (there.empty() ? "" : ", ") + each.name;
      }
    }
    return InvalidArgument("DDL_INTERFACES names " + name + "; host " + hostname + " has " +
                           (there.empty() ? "no network interface that is up" : there));
  }
  if (any) *interfaces = std::move(selected);
  return OkStatus();
}

int CountGpus() {
  DIR* const folder = opendir("/dev");
  if (folder == nullptr) return 0;
  int gpus = 0;
  while (const dirent* entry = readdir(folder)) {
    constexpr const char kPrefix[] = "nvidia";
    const char* const number = entry->d_name + sizeof kPrefix - 1;
    if (std::strncmp(entry->d_name, kPrefix, sizeof kPrefix - 1) != 0 || *number == '\0') continue;
    gpus += std::all_of(number, number + std::strlen(number),
                        [](unsigned char c) { return std::isdigit(c) != 0; });
  }
  closedir(folder);
  return gpus;
}

}  // namespace tf_ddl
