#include "plan/time_shares.h"

#include <algorithm>

namespace tf_ddl {

int TimeShares::Begin(double now, const Work& work) {
  if (unused_.empty()) {
    unused_.push_back(static_cast<int>(jobs_.size()));
    jobs_.emplace_back();
  }
  const int number = unused_.back();
  unused_.pop_back();
  Job& job = jobs_[number];
  job.work = work;
  job.arrival = order_++;
  job.remaining = work.seconds;
  job.pace = 0;
  ++unfinished_;
  if (static_cast<size_t>(work.queue) >= queues_.size()) queues_.resize(work.queue + 1);
  Queue& queue = queues_[work.queue];
  const int first = queue.empty() ? -1 : queue.begin()->second;
  queue.emplace(std::make_pair(work.priority, job.arrival), number);
  if (queue.begin()->second == number) {
    if (first >= 0) Interrupt(now, first);
    Serve(now, number);
  }
  return number;
}

void TimeShares::Serve(double now, int number) {
  const Work work = jobs_[number].work;
  jobs_[number].since = now;
  servers_[work.first].push_back(number);
  if (work.second >= 0) servers_[work.second].push_back(number);
  Settle(now, work.first);
  if (work.second >= 0) Settle(now, work.second);
}

void TimeShares::Interrupt(double now, int number) {
  Job& job = jobs_[number];
  job.remaining = std::max(0.0, job.remaining - (now - job.since) * job.pace);
  job.pace = 0;
  ++job.version;
  for (int server : {job.work.first, job.work.second}) {
    if (server < 0) continue;
    auto& jobs = servers_[server];
    jobs.erase(std::find(jobs.begin(), jobs.end(), number));
  }
  for (int server : {job.work.first, job.work.second}) {
    if (server >= 0) Settle(now, server);
  }
}

// Takes account of the work done up to now by the jobs on a server whose jobs have changed.
void TimeShares::Settle(double now, int server) {
  for (int number : servers_[server]) {
    Job& job = jobs_[number];
    double pace = 1.0 / static_cast<double>(servers_[job.work.first].size());
    if (job.work.second >= 0) {
      pace = std::min(pace, 1.0 / static_cast<double>(servers_[job.work.second].size()));
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
  const double now = ends_.top().time;
  const int number = ends_.top().job;
  ends_.pop();
  Interrupt(now, number);
  --unfinished_;
  unused_.push_back(number);
  Queue& queue = queues_[jobs_[number].work.queue];
  queue.erase(queue.begin());
  if (!queue.empty()) Serve(now, queue.begin()->second);
  return number;
}

}  // namespace tf_ddl
