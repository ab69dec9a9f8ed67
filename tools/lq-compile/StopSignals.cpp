//===- StopSignals.cpp - being told to stop -------------------------------===//

#include "tools/lq-compile/StopSignals.h"
#include "dialects/common/TemporaryFolder.h"

#include <csignal>
#include <cstdio>
#include <thread>
#include <unistd.h>

/// What the handler writes to, and the thread reads from.
static int stopPipe[2];

/// Any thread may be the one that is interrupted, also those of libraries.
static void passOn(int signal) {
  auto number = static_cast<char>(signal);
  // Nothing can be done if the pipe is full: it has been told before.
  [[maybe_unused]] ssize_t written = write(stopPipe[1], &number, 1);
}

void lq::handleStopSignals() {
  if (pipe(stopPipe) != 0)
    return; // then a signal ends the process at once
  struct sigaction action = {};
  action.sa_handler = passOn;
  action.sa_flags = SA_RESTART;
  for (int signal : {SIGINT, SIGTERM, SIGHUP})
    sigaction(signal, &action, nullptr);
  std::thread([] {
    char signal = 0;
    while (read(stopPipe[0], &signal, 1) != 1) {
    }
    TemporaryFolder::removeAll();
    std::fputs("\nlq-compile: error: interrupted; the artifact was not "
               "written\n",
               stderr);
    _exit(128 + signal);
  }).detach();
}
