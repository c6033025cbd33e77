#include "plan/time_shares.h"

#include <algorithm>
#include <functional>

namespace tf_ddl {

int TimeShares::Begin(double now, double work, int first, int second) {
  int number;
  if (unused_.empty()) {
    number = static_cast<int>(jobs_.size());
    jobs_.emplace_back();
  } else {
    number = unused_.back();
    unused_.pop_back();
  }
  Job& job = jobs_[number];
  job.server[0] = first;
  job.server[1] = second;
  job.remaining = work;
  job.since = now;
  job.pace = 0;
  ++active_;
  servers_[first].push_back(number);
  if (second >= 0) servers_[second].push_back(number);
  Settle(now, first);
  if (second >= 0) Settle(now, second);
  return number;
}

// Takes account of the work done up to now by the jobs on a server whose jobs have changed.
void TimeShares::Settle(double now, int server) {
  for (int number : servers_[server]) {
    Job& job = jobs_[number];
    double pace = 1.0 / static_cast<double>(servers_[job.server[0]].size());
    if (job.server[1] >= 0) {
      pace = std::min(pace, 1.0 / static_cast<double>(servers_[job.server[1]].size()));
    }
    if (pace == job.pace) continue;
    job.remaining = std::max(0.0, job.remaining - (now - job.since) * job.pace);
    job.since = now;
    job.pace = pace;
    ends_.push({now + job.remaining / pace, order_++, number, ++job.version});
  }
}

void TimeShares::DropOutdated() {
  while (ends_.top().version != jobs_[ends_.top().job].version) ends_.pop();
}

double TimeShares::NextEnd() {
  DropOutdated();
  return ends_.top().time;
}

int TimeShares::TakeNext() {
  DropOutdated();
  const End end = ends_.top();
  ends_.pop();
  Job& job = jobs_[end.job];
  ++job.version;
  --active_;
  for (int server : job.server) {
    if (server >= 0) Remove(server, end.job);
  }
  for (int server : job.server) {
    if (server >= 0) Settle(end.time, server);
  }
  unused_.push_back(end.job);
  return end.job;
}

void TimeShares::Remove(int server, int job) {
  auto& jobs = servers_[server];
  jobs.erase(std::find(jobs.begin(), jobs.end(), job));
}

}  // namespace tf_ddl
