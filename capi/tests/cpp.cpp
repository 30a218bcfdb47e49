/* ringmain.hpp: each class and call, by results and by exceptions. */
#include <ringmain.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using namespace std::chrono_literals;

#define CHECK(condition)                                                                                           \
    do {                                                                                                           \
        if (!(condition)) {                                                                                        \
            std::fprintf(stderr, "%s:%d: %s does not hold; last error: %s\n", __FILE__, __LINE__, #condition,      \
                         ringmain_last_error());                                                                   \
            std::exit(1);                                                                                          \
        }                                                                                                          \
    } while (0)

struct tick {
    std::uint64_t time;
    double price;
};

static std::string name(const char *what) { return "cpp-" + std::to_string(getpid()) + "-" + what; }

static ringmain::options gone_afterwards(std::size_t capacity) {
    return ringmain::options().capacity(capacity).with(RINGMAIN_UNLINK_ON_CLOSE);
}

/* Checks that a call fails by this code, and in these words. */
template <typename R>
static bool fails(R result, int code, const char *words) {
    if (result || result.code() != code) return false;
    return std::string(result.error().what()).find(words) != std::string::npos && result.error().code() == code;
}

static void streams() {
    const std::string ring = name("stream");
    auto tx = ringmain::stream_producer<tick>::open(ring.c_str(), gone_afterwards(8).type_tag("tick")).value();
    auto rx = ringmain::stream_consumer<tick>::open(ring.c_str(), ringmain::options().type_tag("tick")).value();
    CHECK(fails(rx.pop(), -EAGAIN, "empty"));
    CHECK(fails(rx.pop(2ms), -ETIMEDOUT, "the time that was given is over"));
    CHECK(*tx.push(tick{1, 0.5}) == 1);
    CHECK(rx.pop(ringmain::forever).value().price == 0.5);
    const std::array<tick, 9> many{};
    CHECK(*tx.push(many) == 8 && *tx.room() == 0 && *rx.len() == 8);
    CHECK(fails(tx.push(many[0]), -EAGAIN, "full"));
    std::vector<tick> found(5);
    CHECK(*rx.pop(found) == 5 && rx.pop_all(ringmain::span<tick>(found).first(3)) && *rx.position() == 9);
    std::size_t pushed = 0;
    CHECK(fails(tx.push_all(many, 2ms, &pushed), -ETIMEDOUT, "the time that was given is over") && pushed == 8);
    CHECK(*rx.copy(found) == 5 && rx.keep() && *rx.copy(found, 1ms) == 5 && rx.release(5) && rx.pause());
    {
        auto claim = tx.claim(3, 5).value();
        CHECK(claim.size() == 5);
        for (std::size_t at = 0; at < 5; at++) claim[at] = tick{at, 1.0};
        CHECK(fails(tx.push(many[0]), -EINVAL, "a claim of slots is open"));
        CHECK(claim.commit(4));
        /* Nothing is pushed by a claim that goes out of scope. */
        auto dropped = tx.claim(1, 1).value();
        auto moved = std::move(dropped);
        CHECK(moved.size() == 1);
    }
    {
        auto peek = rx.peek(7, 99).value();
        CHECK(peek.size() == 7 && peek.position() == 14 && peek[3].time == 0 && peek[6].time == 3);
        CHECK(peek.release(6));
        auto kept = rx.peek(1, 1, 1ms).value();
        CHECK(kept[0].time == 3);
    }
    CHECK(*rx.len() == 1 && rx.pop().value().time == 3);
    CHECK(*tx.peer() == RINGMAIN_PEER_ALIVE && *tx.peer_generation() == 1 && *tx.peer_changed() == 1);
    CHECK(*rx.is_orphaned() == 0 && *rx.is_truncated() == 0 && rx.set_wait(RINGMAIN_PARK) && tx.wait(8));
    CHECK(tx.info()->element_size == sizeof(tick) && ring == tx.info()->name);
    CHECK(tx.close() && fails(rx.pop(ringmain::forever), -EPIPE, "has closed"));
    CHECK(*rx.peer_state() == RINGMAIN_PEER_CLOSED && rx.abandon());
    CHECK(fails(rx.pop(), -EINVAL, "the handle is NULL"));
}

static void messages() {
    const std::string ring = name("message");
    auto tx = ringmain::message_producer::open(ring.c_str(), gone_afterwards(4096).record_alignment(64)).value();
    auto rx = ringmain::message_consumer::open(ring.c_str()).value();
    char bytes[64];
    std::uint64_t word = 0;
    CHECK(tx.push("buy 100") && tx.push_tagged(7, "sell", 1ms) && tx.push("x", 1));
    CHECK(*rx.next_len() == 7 && rx.pop().value() == "buy 100");
    CHECK(*rx.pop_tagged(word, bytes, sizeof bytes) == 4 && word == 7 && *rx.pop(bytes, sizeof bytes) == 1);
    char part[] = "part";
    const iovec parts[] = {{part, 4}, {part, 2}};
    CHECK(tx.push_vectored(parts) && rx.pop(1ms).value_or("") == "partpa");
    {
        auto claim = tx.claim(10).value();
        std::memcpy(claim.first.data(), "in place", 8);
        CHECK(claim.commit(8));
        auto tagged = tx.claim(10, 1ms).value();
        CHECK(tagged.commit_tagged(9, 0));
        auto dropped = tx.claim(1).value();
    }
    {
        auto record = rx.peek().value();
        CHECK(record.text() == "in place" && record.position == 4 * 64);
        CHECK(record.release());
        auto second = rx.peek(ringmain::forever).value();
        CHECK(second.word == 9 && second.size() == 0);
    }
    CHECK(*rx.copy_next(bytes, sizeof bytes) == 0 && rx.keep());
    CHECK(*rx.copy_next(bytes, sizeof bytes) == 0 && *rx.release() == 1);
    {
        auto batch = tx.batch().value();
        CHECK(tx.push("one") && tx.push("two"));
        CHECK(fails(rx.pop(), -EAGAIN, "empty") && *batch.commit() == 2);
        auto dropped = tx.batch().value();
        CHECK(tx.push("never"));
    }
    CHECK(*rx.len() == 128 && *tx.room() > 3000 && rx.pause());
    const auto stat = ringmain::look(ring.c_str()).value();
    CHECK(stat.used == 128 && stat.producer.process == getpid());
    bool listed = false;
    for (const auto &object : ringmain::list().value()) listed = listed || object.name == ring;
    CHECK(listed && ringmain::unlink(ring.c_str()) && *tx.is_orphaned() == 1);
    CHECK(fails(ringmain::look("cpp-nobody"), -ENOENT, "no ring"));
}

static void passed() {
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    const auto sealable = ringmain::options().capacity(64).with(RINGMAIN_SEALABLE);
    auto tx = ringmain::stream_producer<int>::open(nullptr, sealable).value();
    auto offer = ringmain::offer::send(pair[0], tx.descriptor().value()).value();
    auto rx = ringmain::stream_consumer<int>::accept(pair[1]).value();
    CHECK(*offer.answer() == RINGMAIN_ATTACHED && tx.push(7) && rx.pop().value() == 7 && tx.seal());
    auto moved = std::move(rx);
    CHECK(rx.get() == nullptr && moved.get() != nullptr);
    rx = std::move(moved);
    CHECK(rx.close());
    /* The ring lives as long as one of its descriptors; each closes itself. */
    auto kept = tx.into_fd().value();
    CHECK(kept.get() > 2 && ringmain::send(pair[0], kept.get()));
    auto received = ringmain::receive(pair[1]).value();
    const int number = received.get();
    auto from = ringmain::descriptor(received.release());
    CHECK(received.get() == -1 && from.get() == number && from.get() != kept.get());
    kept = ringmain::descriptor();
    auto next = ringmain::stream_producer<int>::open(nullptr, ringmain::options().descriptor(from.get()));
    CHECK(fails(std::move(next), -EPROTO, "the seals"));
    from = ringmain::descriptor();
    CHECK(fcntl(number, F_GETFD) == -1 && close(pair[0]) == 0);
    CHECK(fails(ringmain::send(pair[1], -1), -EINVAL, "the descriptor is -1"));
    CHECK(fails(ringmain::receive(pair[0]), -EBADF, "") && close(pair[1]) == 0);
}

/* Rings of nobody's, and for a program that is started: this one finds it by its own environment. */
static void made_and_inherited() {
    const std::string ring = name("made");
    const auto sized = ringmain::options().capacity(64);
    CHECK(ringmain::create_stream<tick>(ring.c_str(), sized) && ringmain::look(ring.c_str())->capacity == 64);
    CHECK(fails(ringmain::create_message(ring.c_str(), sized), -EPROTO, "has kind 1 (stream), expected 2 (message)"));
    CHECK(fails(ringmain::create_message(nullptr, ringmain::options()), -EINVAL, "no capacity"));
    {
        auto tx = ringmain::stream_producer<tick>::open(ring.c_str()).value();
        CHECK(fails(ringmain::unlink_if_free(ring.c_str()), -EBUSY, "has a producer already"));
    }
    CHECK(ringmain::unlink_if_free(ring.c_str(), 1s) && fails(ringmain::look(ring.c_str()), -ENOENT, "no ring"));

    const auto made = ringmain::create_message(nullptr, ringmain::options().capacity(4096)).value();
    const auto left = ringmain::inherit(made.get());
    CHECK(left && left->descriptor.get() > 2 && !(*left).note.empty() && left.value().note == left->note);
    CHECK(fcntl(left->descriptor.get(), F_SETFD, 0) == 0 && setenv("CPP_TEST_RING", left->note.c_str(), 1) == 0);
    const auto found = ringmain::inherited("CPP_TEST_RING").value();
    auto tx = ringmain::message_producer::open(nullptr, ringmain::options().descriptor(made.get())).value();
    auto rx = ringmain::message_consumer::open(nullptr, ringmain::options().descriptor(found.get())).value();
    CHECK(tx.push("to the child") && rx.pop().value() == "to the child");
    CHECK(fails(ringmain::inherited("CPP_TEST_NOTHING"), -ENOENT, "CPP_TEST_NOTHING"));
    CHECK(fails(ringmain::inherit(-1), -EINVAL, "the descriptor is -1"));
}

/* A result that does not change. */
static void constant_results() {
    const auto good = ringmain::list();
    const ringmain::result<int> seven(7), bad = ringmain::result<int>::failed(-EPIPE);
    CHECK(good && good->size() == (*good).size() && good.value().size() == good->size());
    CHECK(*seven == 7 && seven.value() == 7 && seven.value_or(1) == 7);
    CHECK(!bad && bad.code() == -EPIPE && bad.value_or(1) == 1 && bad.error().code() == -EPIPE);
    static_assert(std::is_same_v<decltype(*std::declval<const ringmain::result<int> &>()), const int &>);
    static_assert(std::is_same_v<decltype(*std::declval<ringmain::result<int>>()), int &&>);
    CHECK(ringmain::version() == RINGMAIN_TEST_VERSION && ringmain::strerror(-EPIPE) == ringmain_strerror(EPIPE));
}

static void sets() {
    auto one = ringmain::stream_producer<int>::open(nullptr, ringmain::options().capacity(4)).value();
    const auto behind = ringmain::options().descriptor(one.descriptor().value());
    auto rx = ringmain::stream_consumer<int>::open(nullptr, behind).value();
    auto messages = ringmain::message_producer::open(nullptr, ringmain::options().capacity(4096)).value();
    auto set = ringmain::wait_set::open().value();
    auto stop = set.waker().value();
    ringmain_interest list[] = {rx.interest(2), messages.interest(5000), one.interest(4)};
    CHECK(fails(set.wait(list, 1ms), -EMSGSIZE, "5000"));
    list[1] = messages.interest(100);
    CHECK(*set.wait(list) == 2 && list[0].ready == 0 && list[1].ready == 1 && list[2].ready == 1);
    CHECK(*one.push(7) == 1 && *set.wait({list, 1}, 1ms) == 0 && *one.push(8) == 1);
    CHECK(*set.wait(list) == 2 && list[0].ready == 1 && list[2].ready == 0);
    stop.wake();
    CHECK(fails(set.wait(list), -ECANCELED, "a waker") && set.set_wait(RINGMAIN_PARK) && *set.wait(list) == 2);
    CHECK(fails(rx.is_ready(), -EINVAL, "no descriptor") && *rx.readiness_fd() > 2);
    CHECK(*rx.readiness_fd() == rx.readiness_fd().value() && *rx.is_ready(2) == 1 && *rx.is_ready(3) == 0);
    auto own = rx.waker().value();
    auto moved = std::move(own);
    CHECK(*rx.pop() == 7 && *rx.pop() == 8);
    moved.wake();
    CHECK(fails(rx.pop(ringmain::forever), -ECANCELED, "a waker") && fails(rx.pop(1ms), -ETIMEDOUT, "the time"));
    /* They outlive what they were made by. */
    set = ringmain::wait_set();
    CHECK(rx.close());
    stop.wake();
    moved.wake();
    CHECK(fails(ringmain::wait_set().wait(list), -EINVAL, "the set is NULL"));
}

static void exceptions() {
#if defined(__cpp_exceptions)
    try {
        static_cast<void>(ringmain::message_consumer::open("cpp-nobody").value());
        CHECK(false);
    } catch (const ringmain::error &error) {
        CHECK(error.code() == -ENOENT && std::string(error.what()).find("no ring \"cpp-nobody\"") == 0);
    }
    try {
        const auto missing = ringmain::inherited("CPP_TEST_NOTHING");
        static_cast<void>(missing.value());
        CHECK(false);
    } catch (const std::exception &error) {
        CHECK(std::string(error.what()).find("CPP_TEST_NOTHING") != std::string::npos);
    }
#endif
}

int main() {
    streams();
    messages();
    passed();
    made_and_inherited();
    constant_results();
    sets();
    exceptions();
    return 0;
}
