#include "rendezvous/handshake.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>
#include <thread>

namespace tf_ddl {
namespace {

struct Result {
  Status client;
  Status server;
  Introduction who;
};

Result Meet(const std::string& client_secret, const std::string& server_secret,
            Introduction who = {Purpose::kData, 3, 1}) {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Fd a(ends[0]);
  Fd b(ends[1]);
  Result result;
  std::thread client(
      [&] { result.client = ProveAsClient(a.get(), client_secret, who, DeadlineIn(2), nullptr); });
  result.server =
      ProveAsServer(b.get(), server_secret, Purpose::kData, 1, DeadlineIn(2), nullptr, &result.who);
  client.join();
  return result;
}

TEST(HandshakeTest, TheSameSecretPasses) {
  const Result result = Meet("same", "same");
  EXPECT_TRUE(result.client.ok()) << result.client.message();
  EXPECT_TRUE(result.server.ok()) << result.server.message();
  EXPECT_EQ(result.who.from, 3);
  EXPECT_EQ(result.who.rail, -1);
  const Result data = Meet("same", "same", {Purpose::kData, 3, 1, 2, 5});
  EXPECT_TRUE(data.server.ok()) << data.server.message();
  EXPECT_EQ(data.who.rail, 2);
  EXPECT_EQ(data.who.number, 5);
}

TEST(HandshakeTest, AnotherSecretPurposeOrRankDoesNot) {
  for (const Result& result :
       {Meet("one", "other"), Meet("", "other"), Meet("same", "same", {Purpose::kStore, 3, 1}),
        Meet("same", "same", {Purpose::kData, 3, 0})}) {
    EXPECT_EQ(result.client.code(), Code::kPermissionDenied);
    EXPECT_EQ(result.server.code(), Code::kPermissionDenied);
  }
}

// A server that accepts everybody does not get past a client that checks it.
TEST(HandshakeTest, AServerWithoutTheSecretIsRefused) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Fd a(ends[0]);
  Fd b(ends[1]);
  std::string hello = std::string("tf_ddl\2l") + std::string(32, 'n');
  std::string answer = std::string("\1") + std::string(32, 'm');
  hello += answer;
  ASSERT_TRUE(WriteAll(b.get(), hello.data(), hello.size(), DeadlineIn(1), nullptr).ok());
  EXPECT_EQ(ProveAsClient(a.get(), "secret", {}, DeadlineIn(1), nullptr).code(),
            Code::kPermissionDenied);
}

TEST(HandshakeTest, SilenceEndsAtTheDeadline) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Fd a(ends[0]);
  Fd b(ends[1]);
  Introduction who;
  EXPECT_EQ(ProveAsServer(b.get(), "s", Purpose::kData, 1, DeadlineIn(0.05), nullptr, &who).code(),
            Code::kDeadlineExceeded);
}

TEST(HandshakeTest, AnotherVersionIsSaid) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Fd a(ends[0]);
  Fd b(ends[1]);
  const std::string hello = std::string("tf_ddl\7l") + std::string(32, 'n');
  ASSERT_TRUE(WriteAll(b.get(), hello.data(), hello.size(), DeadlineIn(1), nullptr).ok());
  const Status status = ProveAsClient(a.get(), "secret", {}, DeadlineIn(1), nullptr);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.message().find("another version"), std::string::npos);
}

}  // namespace
}  // namespace tf_ddl
