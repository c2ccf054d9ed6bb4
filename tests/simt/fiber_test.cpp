// Stacks that take turns.
#include "simt/fiber.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "simt/sanitizers.hpp"

namespace simt::detail {
namespace {

struct Task {
  Fiber fiber{256 << 10};
  std::vector<int>* log = nullptr;
  int number = 0;
};

/// A turn that TSan takes for ordered with what the owner did before and does next.
void take_turn(Fiber& fiber) {
  char sync = 0;
  release(&sync);
  fiber.acquire(&sync);
  fiber.resume();
  fiber.release(&sync);
  acquire(&sync);
}

void count_to_three(void* argument) {
  Task& task = *static_cast<Task*>(argument);
  for (int step = 1; step <= 3; ++step) {
    task.log->push_back(10 * task.number + step);
    if (step < 3) task.fiber.suspend();
  }
}

TEST(Fiber, TakesTurnsAndEnds) {
  std::vector<int> log;
  Task one{.log = &log, .number = 1}, two{.log = &log, .number = 2};
  for (int run = 0; run < 2; ++run) {  // a stack is used again
    log.clear();
    one.fiber.start(count_to_three, &one);
    two.fiber.start(count_to_three, &two);
    for (int step = 1; step <= 3; ++step) {
      EXPECT_FALSE(one.fiber.ended());
      take_turn(one.fiber);
      take_turn(two.fiber);
    }
    EXPECT_TRUE(one.fiber.ended());
    EXPECT_TRUE(two.fiber.ended());
    EXPECT_EQ(log, (std::vector{11, 21, 12, 22, 13, 23}));
  }
}

void throw_and_catch(void* argument) {
  Task& task = *static_cast<Task*>(argument);
  try {
    const std::string text(100, 'x');
    task.fiber.suspend();
    throw std::runtime_error(text);
  } catch (const std::exception& error) {
    task.number = static_cast<int>(std::string(error.what()).size());
  }
}

TEST(Fiber, ExceptionsStayOnTheirStack) {
  std::vector<Task> tasks(3);
  for (Task& task : tasks) task.fiber.start(throw_and_catch, &task);
  for (int turn = 0; turn < 2; ++turn)
    for (Task& task : tasks) take_turn(task.fiber);
  for (const Task& task : tasks) {
    EXPECT_TRUE(task.fiber.ended());
    EXPECT_EQ(task.number, 100);
  }
}

void use_stack(void* argument) {
  volatile char room[128 << 10];
  for (std::size_t i = 0; i < sizeof room; i += 512) room[i] = static_cast<char>(i);
  static_cast<Task*>(argument)->number = room[512];
}

TEST(Fiber, HasTheStackThatWasAskedFor) {
  Task task;
  task.fiber.start(use_stack, &task);
  take_turn(task.fiber);
  EXPECT_TRUE(task.fiber.ended());
}

}  // namespace
}  // namespace simt::detail
