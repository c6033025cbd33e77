// Rank 0's decisions, from reports that are made up.
#include "engine/adviser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>

#include "comm/host.h"
#include "topologies.h"

namespace tf_ddl {
namespace {

constexpr uint64_t kGroup = 77;
constexpr int64_t kGroupBytes = 64 << 20;

// An adviser of a job that is there, but of which nothing runs.
class Job {
 public:
  explicit Job(const Topology& topology, EngineOptions options = EngineOptions())
      : options_(std::move(options)) {
    EXPECT_TRUE(CreateLoopbackCommunicators(topology.size(), true, &topology, CommOptions(),
                                            &communicators_)
                    .ok());
    book_ = std::make_unique<PlanBook>(0, topology);
    adviser_ = std::make_unique<Adviser>(communicators_[0].get(), options_, book_.get());
    EXPECT_TRUE(adviser_->ChooseFirst().ok());
  }

  Adviser& adviser() { return *adviser_; }
  int size() const { return static_cast<int>(communicators_.size()); }
  void Report(int rank, uint64_t epoch, double exposed, double whole,
              std::vector<RailReport> rails = {}) {
    tf_ddl::Report report;
    report.group = kGroup;
    report.epoch = epoch;
    report.exposed = exposed;
    report.whole = whole;
    report.rails = std::move(rails);
    adviser_->Take(rank, report);
  }
  Advice For(uint64_t epoch) {
    return adviser_->For(kGroup, {kGroupBytes / 2, kGroupBytes / 2}, epoch);
  }
  // What an advice says of its buckets.
  const PlanSpec& PlanOf(const Advice& advice) {
    EXPECT_TRUE(book_->Has(advice.plans));
    return book_->table(advice.plans).Find(advice.bucket_bytes);
  }
  // News about slow ranks, and not about what was tuned.
  std::string SlowNews() {
    std::string all;
    for (const std::string& text : adviser_->TakeNews()) {
      if (text.rfind("tuned", 0) != 0) all += text + "\n";
    }
    return all;
  }

 private:
  const EngineOptions options_;
  std::vector<std::unique_ptr<Communicator>> communicators_;
  std::unique_ptr<PlanBook> book_;
  std::unique_ptr<Adviser> adviser_;
};

TEST(Adviser, ASlowRankIsNamedAfterTwoEpochsAndOnce) {
  Job job(Hosts({2, 2}));
  for (uint64_t epoch = 0; epoch < 8; ++epoch) {
    for (int rank = 0; rank < 4; ++rank) {
      const bool late = rank == 2 && epoch >= 2;
      job.Report(rank, epoch, late || epoch < 2 ? 0.002 : 0.050, 0.100);
    }
    job.For(epoch + 2);
    const std::string news = job.SlowNews();
    if (epoch == 3) {
      EXPECT_EQ(news.rfind("rank 2 (host ", 0), 0u) << news;
      EXPECT_NE(news.find("is slow: the others wait 48 ms of each call of 100 ms for it"),
                std::string::npos)
          << news;
    } else {
      EXPECT_EQ(news, "") << epoch;
    }
  }
}

TEST(Adviser, NobodyIsNamedForLittle) {
  Job job(Hosts({4}));
  for (uint64_t epoch = 0; epoch < 10; ++epoch) {
    for (int rank = 0; rank < 4; ++rank) {
      // A different one each time; or always the same, but only by 4 ms; or by a part that is
      // small.
      job.Report(rank, epoch,
                 epoch < 4   ? (rank == static_cast<int>(epoch) ? 0.001 : 0.090)
                 : epoch < 7 ? (rank == 1 ? 0.001 : 0.005)
                             : (rank == 1 ? 0.100 : 0.110),
                 0.100);
    }
    job.For(epoch + 2);
    EXPECT_EQ(job.SlowNews(), "") << epoch;
  }
}

TEST(Adviser, ReportsMayComeLateAndNeedNotCome) {
  Job job(Hosts({3}));
  for (uint64_t epoch = 0; epoch < 40; ++epoch) {
    // Rank 2's reports are an epoch late: on time it would seem to be another rank that is slow.
    for (int rank = 0; rank < 2; ++rank) job.Report(rank, epoch, rank == 1 ? 0.060 : 0.061, 0.1);
    if (epoch > 0 && epoch < 30) job.Report(2, epoch - 1, 0.001, 0.1);
    job.For(epoch + 2);
    const std::string news = job.SlowNews();
    if (epoch == 2) {
      EXPECT_EQ(news.rfind("rank 2 (", 0), 0u) << news;
    } else {
      EXPECT_EQ(news, "") << epoch;
    }
  }
}

// On one host where all memory is read in place the plan was decided by measurement beforehand; how
// long buckets take corrects a model that has no say there.
TEST(Adviser, TheRuleForOneHostStandsAboveTheModel) {
  EngineOptions options;
  options.tune_buckets = false;
  for (int size : {2, 4, 8}) {
    Job job(Hosts({size}), options);
    for (double factor : {1000.0, 0.001}) {
      for (int i = 0; i < 20; ++i) job.adviser().BucketTook(0, 4 << 20, factor * 1e-3);
    }
    const Advice advice = job.For(1);
    EXPECT_EQ(job.PlanOf(advice).colours[0].algorithm, "pairwise") << size;
    EXPECT_EQ(advice.plans, 0) << "nothing has changed";
  }
}

// The plan that was fastest when tried is what is used afterwards, whatever buckets and chunks are
// tried next and whatever has been learnt meanwhile.
TEST(Adviser, ThePlanThatWasFastestStays) {
  for (const auto& sizes : {std::vector<int>{2, 2}, std::vector<int>{1, 1, 1, 1},
                            std::vector<int>{3, 2}, std::vector<int>{4}}) {
    for (int favourite = 0; favourite < 3; ++favourite) {
      Job job(Hosts(sizes));
      std::map<std::string, double> cost;  // by algorithm, in the order in which they are tried
      std::map<uint64_t, double> took;
      Advice last;
      for (uint64_t epoch = 1; epoch <= 60; ++epoch) {
        if (epoch > 2) {
          for (int rank = 0; rank < job.size(); ++rank) {
            job.Report(rank, epoch - 2, took[epoch - 2], 0.1);
          }
        }
        last = job.For(epoch);
        const std::string plan = ToString(job.PlanOf(last));
        const std::string name = plan.substr(0, plan.find(", chunks"));
        const int place = static_cast<int>(cost.size());
        cost.try_emplace(name, place == favourite ? 0.010 : 0.020 + place * 0.001);
        took[epoch] = cost[name];
        if (epoch > 12) {  // plans have been tried; now buckets and chunks are, with the best one
          double best = 1;
          for (const auto& [each, seconds] : cost) best = std::min(best, seconds);
          ASSERT_EQ(cost[name], best)
              << name << " in epoch " << epoch << " of a job of " << sizes.size() << " hosts, "
              << cost.size() << " plans tried";
        }
        job.adviser().BucketTook(last.plans, last.bucket_bytes, cost[name]);
      }
    }
  }
}

TEST(Adviser, ASlowLinkIsToldAndPlannedAround) {
  Job job(Hosts({1, 1, 1}, 2));
  Advice before;
  for (uint64_t epoch = 1; epoch < 12; ++epoch) {
    for (int rank = 0; rank < 3; ++rank) {
      const bool slow = epoch >= 6 && rank == 0;
      job.Report(rank, epoch, 0.05, 0.1,
                 {{1e7, 0.4, 25e6}, {1e7, slow ? 4.0 : 0.4, slow ? 2.5e6 : 25e6}});
    }
    const Advice advice = job.For(epoch + 2);
    const std::string news = job.SlowNews();
    if (epoch < 6) {
      EXPECT_EQ(news, "");
      before = advice;
    } else if (epoch == 6) {
      EXPECT_NE(news.find("the link of host host-a to rail 1 ("), std::string::npos) << news;
      EXPECT_NE(advice.plans, before.plans);
    }
    if (epoch >= 6) {
      double share = 0;  // of what travels on the slow rail
      for (const Colour& colour : job.PlanOf(advice).colours) {
        if (colour.rail == 1) share += colour.share;
      }
      EXPECT_LT(share, 0.2) << ToString(job.PlanOf(advice));
    }
  }
}

// A rank reports for each of its groups; what it sent in one group's epoch and in another's it did
// not send at the same time.
TEST(Adviser, SeveralReportsOfARankAreNoFasterLink) {
  Job job(Hosts({1, 1, 1}));
  for (uint64_t epoch = 1; epoch < 8; ++epoch) {
    for (int rank = 0; rank < 3; ++rank) {
      const int reports = rank == 2 ? 1 : 3;
      for (int i = 0; i < reports; ++i) {
        job.Report(rank, epoch * 10 + i, 0.05, 0.1, {{1e7, 0.4, 25e6}});
      }
    }
    job.For(epoch);
    EXPECT_EQ(job.SlowNews(), "") << epoch;
  }
}

TEST(Adviser, WishesThatCannotBeFulfilled) {
  const Topology topology = Hosts({2, 2});
  std::vector<std::unique_ptr<Communicator>> communicators;
  ASSERT_TRUE(CreateLoopbackCommunicators(4, true, &topology, CommOptions(), &communicators).ok());
  EngineOptions options;
  options.plan = "grid:3x2";
  PlanBook book(0, topology);
  const Status status = Adviser(communicators[0].get(), options, &book).ChooseFirst();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.message().find("makes 6 ranks, the job has 4"), std::string::npos)
      << status.message();
}

TEST(PlanBook, KeepsPlansAndRefusesTablesThatDoNotFit) {
  const Topology topology = Hosts({2, 2});
  PlanBook book(1, topology);
  EXPECT_EQ(book.newest(), -1);
  PlanTable table;
  ASSERT_TRUE(ChoosePlans(topology, UsualLinks(1), PlanWishes(), &table).ok());
  ASSERT_TRUE(book.Add(3, table).ok());
  EXPECT_EQ(book.newest(), 3);
  EXPECT_FALSE(book.Has(0));
  const auto plan = book.AllReduce(3, 1000, DType::kFloat32);
  EXPECT_EQ(plan, book.AllReduce(3, 1000, DType::kFloat32)) << "made once";
  EXPECT_EQ(plan->rank, 1);
  EXPECT_EQ(plan->count, 1000);
  for (int64_t count = 1; count < 3000; ++count) {
    ASSERT_EQ(book.AllReduce(3, count, DType::kFloat16)->count, count);
  }
  table.entries.back().spec.colours[0].rail = 5;
  EXPECT_EQ(book.Add(4, table).code(), Code::kInvalidArgument);
  EXPECT_FALSE(book.Has(4));
}

}  // namespace
}  // namespace tf_ddl
