// Requests through one ring of messages, and replies through another: `request_reply serve`, and `request_reply ask`.
// Either may be started first, killed at any time, and started again: no question is lost.
#include <ringmain.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>

#include <unistd.h>

using ringmain::forever;

// Records at multiples of 16 bytes and more have a word beside each message: a question's id, which its answer repeats.
static const auto options = ringmain::options().capacity(1 << 16).record_alignment(64).type_tag("text");

static int serve(const std::string &name) {
    auto own = ringmain::options(options).with(RINGMAIN_AWAIT_SUCCESSOR);
    auto requests = ringmain::message_consumer::open((name + ".request").c_str(), options).value();
    auto replies = ringmain::message_producer::open((name + ".reply").c_str(), own).value();
    for (;;) {
        auto request = requests.peek(forever);
        if (request.code() == -EPIPE) return 0;
        if (request.code() == -ECONNRESET) { // Whoever asked was killed: the next one goes on.
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
            continue;
        }
        auto &question = request.value();
        replies.push_tagged(question.word, "you said " + std::string(question.text()), forever).value();
        // Not before its answer is there: if this is killed, the next server finds the question.
        question.release().value();
    }
}

// It knows when all is asked, so it removes the rings.
static int ask(const std::string &name) {
    auto own = ringmain::options(options).with(RINGMAIN_AWAIT_SUCCESSOR | RINGMAIN_UNLINK_ON_CLOSE);
    auto requests = ringmain::message_producer::open((name + ".request").c_str(), own).value();
    auto replies = ringmain::message_consumer::open((name + ".reply").c_str(), own).value();
    // No asker that is killed leaves questions with the ids of another one.
    auto id = static_cast<std::uint64_t>(getpid()) << 32;
    for (const char *word : {"one", "two", "three"}) {
        requests.push_tagged(++id, word, forever).value();
        // Others are answers to an asker that was killed, or to a question that a killed server had answered already.
        for (bool is_answered = false; !is_answered;) {
            auto reply = replies.peek(forever).value();
            is_answered = reply.word == id;
            if (is_answered) std::printf("%s\n", std::string(reply.text()).c_str());
            reply.release().value();
        }
    }
    // A server opens them in the other order, so that none has these replies and the requests of the next asker.
    replies.close().value();
    requests.close().value();
    return 0;
}

int main(int count, char **arguments) try {
    const std::string role = count > 1 ? arguments[1] : "", name = count > 2 ? arguments[2] : "words";
    if (role != "serve" && role != "ask") return std::fprintf(stderr, "usage: request_reply serve|ask [NAME]\n"), 2;
    return role == "serve" ? serve(name) : ask(name);
} catch (const ringmain::error &error) {
    return std::fprintf(stderr, "request_reply: %s\n", error.what()), 1;
}
