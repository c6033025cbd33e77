#include "transport/link_stats.h"

#include <linux/tcp.h>  // its tcp_info has fields that netinet/tcp.h lacks; the two do not mix
#include <netinet/in.h>
#include <sys/socket.h>

namespace tf_ddl {
namespace {

constexpr double kMilli = 1e-3;
constexpr double kMicro = 1e-6;

}  // namespace

void ReadTcpInfo(int socket, LinkStats* stats) {
  tcp_info info = {};  // an older kernel fills in less of it
  socklen_t size = sizeof info;
  if (socket < 0 || getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return;
  stats->bytes_acked = info.tcpi_bytes_acked;
  stats->busy_seconds = static_cast<double>(info.tcpi_busy_time) * kMicro;
  stats->receiver_limited_seconds = static_cast<double>(info.tcpi_rwnd_limited) * kMicro;
  if (info.tcpi_retransmits > 0) stats->silent_seconds = info.tcpi_last_ack_recv * kMilli;
  stats->rtt_seconds = info.tcpi_rtt * kMicro;
  // Until there is a sample, the kernel says all ones.
  if (info.tcpi_min_rtt != ~0u) stats->min_rtt_seconds = info.tcpi_min_rtt * kMicro;
}

}  // namespace tf_ddl
