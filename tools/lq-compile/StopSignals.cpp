//===- StopSignals.cpp - being told to stop -------------------------------===//

#include "tools/lq-compile/StopSignals.h"
#include "dialects/common/TemporaryFolder.h"

#include <csignal>
#include <cstdio>
#include <thread>
#include <unistd.h>

void lq::handleStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGINT, SIGTERM, SIGHUP})
    sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    TemporaryFolder::removeAll();
    std::fputs(
        "\nlq-compile: error: interrupted; the artifact was not written\n",
        stderr);
    _exit(128 + signal);
  }).detach();
}
