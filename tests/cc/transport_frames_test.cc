// The stream beneath a pair, written by hand: every way to cut it, and garbage.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "transport/frame.h"
#include "transport_harness.h"

namespace tf_ddl {
namespace {

// Rank 0's end of a pair without shared memory; rank 1 is the test.
class FramesTest : public ::testing::Test {
 protected:
  FramesTest() { Open(); }

  void Open() {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    peer_ = Fd(ends[1]);
    PairParts parts;
    parts.rank = 0;
    parts.peer = 1;
    parts.peer_name = "rank 1 (host h, pid 1)";
    parts.transport = "tcp";
    parts.socket = Fd(ends[0]);
    Mesh mesh;
    mesh.pairs.resize(2);
    mesh.pairs[1] = NewStreamPair(std::move(parts));
    node_ = std::make_unique<Node>(std::move(mesh));
  }

  Pair& pair() { return node_->to(1); }

  void Write(const std::string& bytes, const std::function<size_t(size_t left)>& cut) {
    for (size_t at = 0; at < bytes.size();) {
      const size_t n = std::min(bytes.size() - at, cut(bytes.size() - at));
      const ssize_t sent = send(peer_.get(), bytes.data() + at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) at += static_cast<size_t>(sent);
      node_->Poll();
      if (!node_->failures.empty()) return;
    }
    for (int i = 0; i < 3; ++i) node_->Poll();
  }
  void Write(const std::string& bytes) {
    Write(bytes, [](size_t left) { return left; });
  }

  Status Failure() { return node_->failures.empty() ? OkStatus() : node_->failures[0].second; }

  Fd peer_;
  std::unique_ptr<Node> node_;
};

FrameHeader Header(FrameType type, uint64_t bytes, Tag tag = {1, 1, 1}) {
  FrameHeader header;
  header.type = static_cast<uint16_t>(type);
  header.bytes = bytes;
  header.tag = tag;
  return header;
}

std::string Frame(const FrameHeader& header, const std::string& payload = "") {
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes += payload;
  bytes.resize(sizeof header + Padded(payload.size()));
  return bytes;
}

std::string Text(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

TEST_F(FramesTest, HoweverTheStreamIsCut) {
  std::mt19937 random(1);
  const size_t sizes[] = {0, 1, 15, 16, 17, 63, 64, 65, 1000, 5000};
  for (const size_t step :
       {size_t{1}, size_t{7}, size_t{15}, size_t{16}, size_t{17}, size_t{100}, size_t{0}}) {
    std::string stream;
    std::vector<std::vector<uint8_t>> messages;
    std::vector<std::unique_ptr<CopySink>> copies;
    std::vector<std::unique_ptr<AddSink>> adds;
    int received = 0;
    for (const size_t n : sizes) {
      for (const bool copy : {true, false}) {
        const Tag tag = {step, messages.size(), 0};
        messages.push_back(Pattern(n, static_cast<uint32_t>(n)));
        FrameHeader control = Header(FrameType::kControl, 3);
        control.control = static_cast<uint32_t>(ControlKind::kGroup);
        stream += Frame(Header(FrameType::kData, n, tag), Text(messages.back()));
        stream += Frame(Header(FrameType::kWake, 0)) + Frame(control, "abc");
        if (copy) {
          copies.push_back(std::make_unique<CopySink>(n, std::vector<size_t>{3, 40}));
          pair().Receive(tag, copies.back().get(), [&] { ++received; });
        } else {
          adds.push_back(std::make_unique<AddSink>(n));
          pair().Receive(tag, adds.back().get(), [&] { ++received; });
        }
      }
    }
    Write(stream, [&](size_t) { return step > 0 ? step : random() % 300 + 1; });
    ASSERT_EQ(received, static_cast<int>(messages.size())) << Failure().message();
    EXPECT_EQ(node_->controls.size(), messages.size());
    node_->controls.clear();
    for (size_t i = 0; i < copies.size(); ++i) {
      EXPECT_TRUE(copies[i]->data == messages[2 * i]);
      EXPECT_TRUE(adds[i]->data == messages[2 * i + 1]);
    }
  }
}

TEST_F(FramesTest, GarbageFailsTheConnectionAndNamesThePeer) {
  const std::string good = Frame(Header(FrameType::kData, 4), "data");
  FrameHeader offer = Header(FrameType::kOffer, 100);
  offer.pieces = 1;
  FrameHeader no_pieces = Header(FrameType::kOffer, 100);
  FrameHeader many_pieces = Header(FrameType::kOffer, 100);
  many_pieces.pieces = UINT32_MAX;
  FrameHeader bad_magic = Header(FrameType::kData, 4);
  bad_magic.magic = 0;
  FrameHeader bad_type = Header(FrameType::kData, 4);
  bad_type.type = 77;
  const std::vector<std::string> streams = {
      std::string(64, '\0'),
      std::string(4096, '\xff'),
      "GET / HTTP/1.1\r\nHost: somewhere.example.com\r\nAccept: */*\r\n\r\n, and more",
      good + Frame(bad_magic),
      good + Frame(bad_type),
      good + good,  // one tag twice
      Frame(Header(FrameType::kData, UINT64_MAX)),
      Frame(Header(FrameType::kControl, UINT64_MAX)),
      Frame(Header(FrameType::kAck, 0)),    // of nothing
      Frame(offer, std::string(16, '\1')),  // to one that cannot pull
      Frame(no_pieces),
      Frame(many_pieces),
  };
  for (size_t i = 0; i < streams.size(); ++i) {
    SCOPED_TRACE(i);
    Open();
    Write(streams[i]);
    ASSERT_EQ(node_->failures.size(), 1u);
    EXPECT_EQ(Failure().code(), Code::kInternal);
    EXPECT_NE(Failure().message().find("rank 1 (host h, pid 1) "), std::string::npos)
        << Failure().message();
  }
}

TEST_F(FramesTest, RandomDamageNeverCrashes) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    Open();
    std::string stream;
    for (uint64_t i = 0; i < 6; ++i) {
      stream += Frame(Header(FrameType::kData, 100, {1, i, 0}), std::string(100, 'x'));
      FrameHeader control = Header(FrameType::kControl, 20);
      control.control = random() % 7;
      stream += Frame(control, std::string(20, 'y'));
    }
    CopySink sink(100);
    AddSink add(100);
    pair().Receive({1, 2, 0}, &sink, [] {});
    pair().Receive({1, 3, 0}, &add, [] {});
    for (int i = 0; i < 3; ++i) {
      stream[random() % stream.size()] ^= static_cast<char>(1 << random() % 8);
    }
    Write(stream);
    peer_.Reset();
    node_->Run([&] { return !node_->failures.empty() || !node_->byes.empty(); }, 2);
    EXPECT_FALSE(node_->failures.empty() && node_->byes.empty());
  }
}

TEST_F(FramesTest, AnOfferThatDoesNotAddUpIsNotRead) {
  for (const uint64_t piece_bytes : {uint64_t{0}, uint64_t{99}, uint64_t{101}, UINT64_MAX}) {
    std::vector<Mesh> meshes = TinyRingMeshes(/*pull=*/true);
    Node reader(std::move(meshes[0]));
    FrameHeader header = Header(FrameType::kOffer, 100);
    header.pieces = 1;
    const OfferedPiece piece = {0x1000, piece_bytes};
    const std::string frame =
        Frame(header, std::string(reinterpret_cast<const char*>(&piece), sizeof piece));
    ASSERT_EQ(send(meshes[1].pairs[0]->fd(0), frame.data(), frame.size(), 0),
              static_cast<ssize_t>(frame.size()));
    ASSERT_TRUE(reader.Run([&] { return !reader.failures.empty(); }, 2));
    EXPECT_EQ(reader.failures[0].second.code(), Code::kInternal);
  }
}

TEST_F(FramesTest, AbortTextsAreCheckedToo) {
  for (const char* text : {"", "\n", "0\nok?", "99\nwhat", "x\ny", "4", "-1\nz"}) {
    Open();
    FrameHeader control = Header(FrameType::kControl, std::strlen(text));
    control.control = static_cast<uint32_t>(ControlKind::kAbort);
    Write(Frame(control, text));
    ASSERT_EQ(node_->failures.size(), 1u) << text;
    EXPECT_EQ(Failure().code(), Code::kInternal);
  }
}

}  // namespace
}  // namespace tf_ddl
