#include "base/socket.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <string>
#include <thread>
#include <vector>

namespace tf_ddl {
namespace {

TEST(HostPortTest, GoodOnes) {
  HostPort out;
  ASSERT_TRUE(ParseHostPort("node1:29400", &out).ok());
  EXPECT_EQ(out.host, "node1");
  EXPECT_EQ(out.port, 29400);
  ASSERT_TRUE(ParseHostPort("10.0.0.1:1", &out).ok());
  EXPECT_EQ(out.host, "10.0.0.1");
  ASSERT_TRUE(ParseHostPort("[::1]:65535", &out).ok());
  EXPECT_EQ(out.host, "::1");
  EXPECT_EQ(out.port, 65535);
}

TEST(HostPortTest, BadOnesSayWhatIsExpected) {
  for (const char* text : {"", "node1", "node1:", ":80", "node1:0", "node1:65536", "node1:http",
                           "node1:-1", "node1:8 0", "::1:80", "[]:80", "node1:99999999999999"}) {
    HostPort out;
    const Status status = ParseHostPort(text, &out);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << text;
    EXPECT_NE(status.message().find("host:port"), std::string::npos) << text;
  }
}

TEST(SocketTest, AnAddressInUseIsNamed) {
  Fd first;
  Fd second;
  int port = 0;
  int same = 0;
  for (const char* host : {"127.0.0.1", ""}) {
    ASSERT_TRUE(Listen(host, 0, &first, &port).ok());
    const Status status = Listen(host, port, &second, &same);
    EXPECT_EQ(status.code(), Code::kAlreadyExists) << status.message();
    EXPECT_NE(status.message().find(std::to_string(port)), std::string::npos);
  }
}

TEST(SocketTest, AnAddressOfAnotherMachineIsRefused) {
  Fd socket;
  int port = 0;
  EXPECT_EQ(Listen("192.0.2.1", 0, &socket, &port).code(), Code::kInvalidArgument);
}

TEST(SocketTest, OneListenerServesBothFamilies) {
  Fd listener;
  int port = 0;
  ASSERT_TRUE(Listen("", 0, &listener, &port).ok());
  std::vector<Address> addresses;
  ASSERT_TRUE(Resolve("127.0.0.1", port, &addresses).ok());
  Fd socket;
  ASSERT_TRUE(Connect(addresses[0], DeadlineIn(2), nullptr, &socket).ok());
  EXPECT_EQ(RemoteAddress(socket.get()).HostAndPort(), "127.0.0.1:" + std::to_string(port));
}

TEST(SocketTest, NobodyThereIsUnavailable) {
  Fd listener;
  int port = 0;
  ASSERT_TRUE(Listen("127.0.0.1", 0, &listener, &port).ok());
  listener.Reset();
  std::vector<Address> addresses;
  ASSERT_TRUE(Resolve("127.0.0.1", port, &addresses).ok());
  Fd socket;
  EXPECT_EQ(Connect(addresses[0], DeadlineIn(2), nullptr, &socket).code(), Code::kUnavailable);
}

TEST(SocketTest, ReadingEndsAtTheDeadlineAtTheEndAndWhenStopped) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Fd reader(ends[0]);
  Fd writer(ends[1]);
  char byte;
  EXPECT_EQ(ReadAll(reader.get(), &byte, 1, DeadlineIn(0.05), nullptr).code(),
            Code::kDeadlineExceeded);
  StopSignal stop;
  std::thread stopper([&] {
    usleep(20000);
    stop.Set();
  });
  EXPECT_EQ(ReadAll(reader.get(), &byte, 1, DeadlineIn(20), &stop).code(), Code::kCancelled);
  stopper.join();
  ASSERT_TRUE(WriteAll(writer.get(), "x", 1, DeadlineIn(1), nullptr).ok());
  writer.Reset();
  EXPECT_TRUE(ReadAll(reader.get(), &byte, 1, DeadlineIn(1), nullptr).ok());
  EXPECT_EQ(byte, 'x');
  EXPECT_EQ(ReadAll(reader.get(), &byte, 1, DeadlineIn(1), nullptr).code(), Code::kUnavailable);
  EXPECT_EQ(WriteAll(reader.get(), "y", 1, DeadlineIn(1), nullptr).code(), Code::kUnavailable);
}

}  // namespace
}  // namespace tf_ddl
