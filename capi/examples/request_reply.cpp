// Requests through one ring of messages, and replies through another: `request_reply serve`, and `request_reply ask`.
#include <ringmain.hpp>

#include <cstdio>
#include <string>

using ringmain::forever;

static const auto options = ringmain::options().capacity(1 << 16).record_alignment(64).type_tag("text");

static int serve(const std::string &name) {
    auto requests = ringmain::message_consumer::open((name + ".request").c_str(), options).value();
    auto replies = ringmain::message_producer::open((name + ".reply").c_str(), options).value();
    while (auto request = requests.pop(forever)) replies.push("you said " + *request, forever).value();
    return 0;
}

static int ask(const std::string &name) {
    auto own = ringmain::options(options).with(RINGMAIN_UNLINK_ON_CLOSE);
    auto requests = ringmain::message_producer::open((name + ".request").c_str(), own).value();
    auto replies = ringmain::message_consumer::open((name + ".reply").c_str(), own).value();
    for (const char *word : {"one", "two", "three"}) {
        requests.push(word, forever).value();
        std::printf("%s\n", replies.pop(forever).value().c_str());
    }
    return 0;
}

int main(int count, char **arguments) try {
    const std::string role = count > 1 ? arguments[1] : "", name = count > 2 ? arguments[2] : "words";
    if (role != "serve" && role != "ask") return std::fprintf(stderr, "usage: request_reply serve|ask [NAME]\n"), 2;
    return role == "serve" ? serve(name) : ask(name);
} catch (const ringmain::error &error) {
    return std::fprintf(stderr, "request_reply: %s\n", error.what()), 1;
}
