/* ringmain for C++17 and later: rings in shared memory, from one process to another. docs/c.md is the guide.
 *
 * Handles close themselves. A call returns a `result`: test it, or take its value, which throws `ringmain::error`
 *
 *     auto tx = ringmain::stream_producer<tick>::open("ticks", ringmain::options().capacity(1 << 16)).value();
 *     if (auto pushed = tx.push(tick{...}); !pushed) puts(pushed.error().what());
 *
 * What ringmain.h says of waiting, threads and trust holds here. Limits are durations; `now` never waits, `forever`
 * waits for as long as it takes. It needs no other library, and works without exceptions (then `value` of a failure
 * aborts).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef RINGMAIN_HPP
#define RINGMAIN_HPP

#include <ringmain.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <unistd.h>
#if __has_include(<span>) && __cplusplus >= 202002L
#include <span>
#endif

namespace ringmain {

/* A duration that a call may wait. */
using limit = std::chrono::nanoseconds;
inline constexpr limit now{RINGMAIN_NOW};
inline constexpr limit forever{RINGMAIN_FOREVER};

#if defined(__cpp_lib_span)
template <typename T>
using span = std::span<T>;
#else
/* As much of std::span as is needed here. */
template <typename T>
class span {
public:
    constexpr span() noexcept = default;
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <std::size_t N>
    constexpr span(T (&array)[N]) noexcept : data_(array), size_(N) {}
    template <typename C, typename = decltype(static_cast<T *>(std::declval<C &>().data()))>
    constexpr span(C &container) noexcept : data_(container.data()), size_(container.size()) {}
    template <typename C, typename = decltype(static_cast<T *>(std::declval<const C &>().data()))>
    constexpr span(const C &container) noexcept : data_(container.data()), size_(container.size()) {}
    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t at) const noexcept { return data_[at]; }
    constexpr span first(std::size_t count) const noexcept { return {data_, count}; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};
#endif

/* Why a call failed. */
class error : public std::exception {
public:
    /* Of the last failure of this thread. */
    explicit error(int code) : code_(code), words_(ringmain_last_error()) {}
    /* A negative errno. */
    int code() const noexcept { return code_; }
    const char *what() const noexcept override { return words_.c_str(); }

private:
    int code_;
    std::string words_;
};

/* What a call came to: a value, or a negative errno. The reason in words is that of the last failure of this thread, so
 * take it, by `error` or `value`, before this thread makes another call. */
template <typename T>
class [[nodiscard]] result {
public:
    result(T value) noexcept(std::is_nothrow_move_constructible_v<T>) : value_(std::move(value)) {}
    static result failed(int code) {
        result failed;
        failed.code_ = code;
        return failed;
    }
    explicit operator bool() const noexcept { return code_ == 0; }
    int code() const noexcept { return code_; }
    ringmain::error error() const { return ringmain::error(code_); }
    /* Only if it succeeded. */
    T &operator*() & noexcept { return value_; }
    const T &operator*() const & noexcept { return value_; }
    T &&operator*() && noexcept { return std::move(value_); }
    T *operator->() noexcept { return &value_; }
    const T *operator->() const noexcept { return &value_; }
    /* Throws if it failed. */
    T &value() & {
        check();
        return value_;
    }
    const T &value() const & {
        check();
        return value_;
    }
    T value() && {
        check();
        return std::move(value_);
    }
    T value_or(T other) const & { return code_ == 0 ? value_ : std::move(other); }
    T value_or(T other) && { return code_ == 0 ? std::move(value_) : std::move(other); }

private:
    result() = default;
    void check() const {
        if (code_ != 0) {
#if defined(__cpp_exceptions)
            throw ringmain::error(code_);
#else
            std::abort();
#endif
        }
    }

    T value_{};
    int code_ = 0;
};

/* A success without a value. */
struct done {};

namespace detail {

inline result<done> of_status(int status) {
    return status < 0 ? result<done>::failed(status) : result<done>(done{});
}

inline result<std::size_t> of_count(std::ptrdiff_t count) {
    return count < 0 ? result<std::size_t>::failed(static_cast<int>(count))
                     : result<std::size_t>(static_cast<std::size_t>(count));
}

} // namespace detail

/* A descriptor, which is closed with this. Of a ring without a name it is a way to it. */
class descriptor {
public:
    descriptor() noexcept = default;
    /* Takes one over; -1 is none. */
    explicit descriptor(int number) noexcept : number_(number) {}
    descriptor(descriptor &&other) noexcept : number_(other.release()) {}
    descriptor &operator=(descriptor &&other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~descriptor() {
        if (number_ >= 0) static_cast<void>(::close(number_));
    }
    int get() const noexcept { return number_; }
    /* Gives it to the caller, who closes it. */
    int release() noexcept { return std::exchange(number_, -1); }

private:
    int number_ = -1;
};

namespace detail {

inline result<int> of_int(int value) { return value < 0 ? result<int>::failed(value) : result<int>(value); }

inline result<descriptor> of_descriptor(int number) {
    return number < 0 ? result<descriptor>::failed(number) : result<descriptor>(descriptor(number));
}

} // namespace detail

/* What a ring is to be: ringmain_options with names. */
class options {
public:
    options() noexcept {
        std::memset(&raw_, 0, sizeof raw_);
        raw_.size = sizeof raw_;
    }
    options &capacity(std::size_t elements_or_bytes) { return set(raw_.capacity, elements_or_bytes); }
    options &record_alignment(std::size_t bytes) { return set(raw_.record_alignment, bytes); }
    options &type_tag(std::string tag) {
        tag_ = std::move(tag);
        return *this;
    }
    options &wait_for(limit limit) { return set(raw_.wait_for_ns, limit.count()); }
    options &pace(limit limit) { return set(raw_.pace_ns, limit.count()).with(RINGMAIN_PACE); }
    options &max_capacity(std::size_t bytes) { return set(raw_.max_capacity, bytes); }
    options &start_at(std::uint64_t position) { return set(raw_.start_at, position); }
    options &create(std::uint32_t create) { return set(raw_.create, create); }
    options &wait(std::uint32_t strategy) { return set(raw_.wait, strategy); }
    options &mode(std::uint32_t mode) { return set(raw_.mode, mode); }
    options &owner(std::uint32_t user) { return set(raw_.owner, user).with(RINGMAIN_OWNER); }
    /* Any of RINGMAIN_UNLINK_ON_CLOSE to RINGMAIN_AWAIT_SUCCESSOR, in addition to those before. */
    options &with(std::uint32_t flags) { return set(raw_.flags, raw_.flags | flags); }
    /* Of a ring without a name. It stays the caller's. */
    options &descriptor(int descriptor) { return set(raw_.descriptor, descriptor).with(RINGMAIN_DESCRIPTOR); }

    /* As C has them, for elements of this layout: good for as long as these are. */
    ringmain_options raw(std::size_t size = 0, std::size_t align = 0) const noexcept {
        ringmain_options raw = raw_;
        raw.element_size = size;
        raw.element_align = align;
        raw.type_tag = tag_.empty() ? nullptr : tag_.c_str();
        return raw;
    }

private:
    template <typename V>
    options &set(V &field, V value) noexcept {
        field = value;
        return *this;
    }

    ringmain_options raw_;
    std::string tag_;
};

/* Ends a wait of a set or of a handle with -ECANCELED, or the next one; it may outlive both. */
class waker {
public:
    waker() noexcept = default;
    waker(waker &&other) noexcept : waker_(std::exchange(other.waker_, nullptr)) {}
    waker &operator=(waker &&other) noexcept {
        std::swap(waker_, other.waker_);
        return *this;
    }
    ~waker() { ringmain_waker_free(waker_); }
    /* From any thread, and from a handler of a signal. */
    void wake() const noexcept { static_cast<void>(ringmain_wake(waker_)); }

private:
    friend class end;
    friend class wait_set;
    ringmain_waker *waker_ = nullptr;
};

/* What every handle has. It moves, and is not copied. */
class end {
public:
    end(end &&other) noexcept : end_(std::exchange(other.end_, nullptr)) {}
    end &operator=(end &&other) noexcept {
        std::swap(end_, other.end_);
        return *this;
    }
    /* Leaves in order, and silently. */
    ~end() {
        if (end_ != nullptr) static_cast<void>(ringmain_close(end_));
    }

    /* The handle of C, which stays this one's. */
    ringmain_end *get() const noexcept { return end_; }
    result<done> close() { return detail::of_status(ringmain_close(std::exchange(end_, nullptr))); }
    result<done> abandon() { return detail::of_status(ringmain_abandon(std::exchange(end_, nullptr))); }
    result<ringmain::descriptor> into_fd() {
        return detail::of_descriptor(ringmain_into_fd(std::exchange(end_, nullptr)));
    }
    /* One of the ring that stays this handle's. */
    result<int> descriptor() const { return detail::of_int(ringmain_descriptor(end_)); }
    result<done> seal() { return detail::of_status(ringmain_seal(end_)); }
    result<ringmain_info> info() const {
        ringmain_info info{};
        info.size = sizeof info;
        const int status = ringmain_end_info(end_, &info);
        return status < 0 ? result<ringmain_info>::failed(status) : result<ringmain_info>(info);
    }
    result<std::uint64_t> position() const {
        std::uint64_t position = 0;
        const int status = ringmain_position(end_, &position);
        return status < 0 ? result<std::uint64_t>::failed(status) : result<std::uint64_t>(position);
    }
    result<std::size_t> len() const { return detail::of_count(ringmain_len(end_)); }
    /* RINGMAIN_PEER_NEVER to RINGMAIN_PEER_CLOSED, without a system call. */
    result<int> peer() const { return detail::of_int(ringmain_peer(end_)); }
    /* RINGMAIN_PEER_NEVER to RINGMAIN_PEER_CRASHED. */
    result<int> peer_state() const { return detail::of_int(ringmain_peer_state(end_)); }
    result<std::uint64_t> peer_generation() const {
        std::uint64_t generation = 0;
        const int status = ringmain_peer_generation(end_, &generation);
        return status < 0 ? result<std::uint64_t>::failed(status) : result<std::uint64_t>(generation);
    }
    result<int> peer_changed() { return detail::of_int(ringmain_peer_changed(end_)); }
    result<int> is_orphaned() const { return detail::of_int(ringmain_is_orphaned(end_)); }
    result<int> is_truncated() const { return detail::of_int(ringmain_is_truncated(end_)); }
    result<done> set_wait(std::uint32_t strategy) { return detail::of_status(ringmain_set_wait(end_, strategy)); }
    /* Waits for `need` free slots or elements, room for a message of `need` bytes, or a message. */
    result<done> wait(std::size_t need, limit limit = forever) {
        return detail::of_status(ringmain_wait(end_, need, limit.count()));
    }
    /* What a set waits for at this handle: as much as `wait` would. It must not move or close meanwhile. */
    ringmain_interest interest(std::size_t need = 1) const noexcept { return {end_, need, 0, 0}; }
    /* A descriptor for an event loop, which stays this handle's; `is_ready` says whether to go back to the loop. */
    result<int> readiness_fd() { return detail::of_int(ringmain_readiness_fd(end_)); }
    result<int> is_ready(std::size_t need = 1) { return detail::of_int(ringmain_is_ready(end_, need)); }
    /* Ends a call of this handle that waits. */
    result<ringmain::waker> waker() {
        ringmain::waker made;
        const int status = ringmain_end_waker(end_, &made.waker_);
        return status < 0 ? result<ringmain::waker>::failed(status) : result<ringmain::waker>(std::move(made));
    }

protected:
    end() noexcept = default;

    template <typename E>
    static result<E> attach(std::uint32_t which, const char *name, const ringmain_options &options) {
        E end;
        const int status = ringmain_attach(which, name, &options, &end.end_);
        return status < 0 ? result<E>::failed(status) : result<E>(std::move(end));
    }
    template <typename E>
    static result<E> accept(int socket, std::uint32_t which, const ringmain_options &options) {
        E end;
        const int status = ringmain_accept(socket, which, &options, &end.end_);
        return status < 0 ? result<E>::failed(status) : result<E>(std::move(end));
    }

    ringmain_end *end_ = nullptr;
};

/* Slots or elements in place, or a message: given up when it is destroyed, unless it was committed or released. Whoever
 * uses it trusts every process that can write to the ring. The handle must not be closed, abandoned or destroyed
 * meanwhile. */
template <typename T>
class parts {
public:
    parts() noexcept = default;
    parts(const parts &) = delete;
    parts(parts &&other) noexcept
        : first(other.first), second(other.second), end_(std::exchange(other.end_, nullptr)), drop_(other.drop_) {}
    parts &operator=(parts &&other) noexcept {
        std::swap(first, other.first);
        std::swap(second, other.second);
        std::swap(end_, other.end_);
        std::swap(drop_, other.drop_);
        return *this;
    }
    ~parts() {
        if (end_ != nullptr) static_cast<void>(drop_(end_));
    }
    std::size_t size() const noexcept { return first.size() + second.size(); }
    T &operator[](std::size_t at) const noexcept {
        return at < first.size() ? first[at] : second[at - first.size()];
    }

    /* Before the end of the ring's buffer, and after it. */
    span<T> first, second;

protected:
    parts(ringmain_end *end, int (*drop)(ringmain_end *), span<T> first, span<T> second) noexcept
        : first(first), second(second), end_(end), drop_(drop) {}
    ringmain_end *take() noexcept { return std::exchange(end_, nullptr); }
    /* What a call says of it, after which it is no longer open. */
    result<done> end_by(int status) noexcept {
        if (status >= 0) end_ = nullptr;
        return detail::of_status(status);
    }

    ringmain_end *end_ = nullptr;
    int (*drop_)(ringmain_end *) = nullptr;
};

/* Slots to be written. */
template <typename T>
class stream_claim : public parts<T> {
public:
    stream_claim() noexcept = default;
    stream_claim(ringmain_end *end, span<T> first, span<T> second) noexcept
        : parts<T>(end, ringmain_abort, first, second) {}
    result<done> commit() { return commit(this->size()); }
    result<done> commit(std::size_t count) { return this->end_by(ringmain_stream_commit(this->end_, count)); }
};

/* Elements to be read. */
template <typename T>
class stream_peek : public parts<const T> {
public:
    stream_peek() noexcept = default;
    stream_peek(ringmain_end *end, span<const T> first, span<const T> second, std::uint64_t position) noexcept
        : parts<const T>(end, ringmain_keep, first, second), position_(position) {}
    std::uint64_t position() const noexcept { return position_; }
    result<done> release() { return release(this->size()); }
    result<done> release(std::size_t count) { return this->end_by(ringmain_stream_release(this->end_, count)); }

private:
    std::uint64_t position_ = 0;
};

/* What both ends of a stream ring ask of its elements. */
template <typename T>
class stream_end : public end {
    static_assert(std::is_trivially_copyable_v<T>, "an element is copied byte by byte between processes");
    static_assert(!std::is_pointer_v<T> && !std::is_reference_v<T> && !std::is_member_pointer_v<T>,
                  "an address means nothing to another process");
    static_assert(std::is_default_constructible_v<T>, "a pop makes one, and fills it");
    static_assert(!std::is_empty_v<T>, "an element without bytes carries nothing: count with a number");
    static_assert(!std::is_same_v<std::remove_cv_t<T>, bool>,
                  "another process may write bytes that are no bool: use unsigned char");

public:
    /* Options of a ring of these elements, as C has them. */
    static ringmain_options raw(const options &options) noexcept { return options.raw(sizeof(T), alignof(T)); }
};

/* The writing end of a ring of elements. */
template <typename T>
class stream_producer : public stream_end<T> {
public:
    stream_producer() noexcept {}
    /* Without a name, if it is null. */
    static result<stream_producer> open(const char *name, const options &options = {}) {
        return end::attach<stream_producer>(RINGMAIN_STREAM_PRODUCER, name, stream_end<T>::raw(options));
    }
    static result<stream_producer> accept(int socket, const options &options = {}) {
        return end::accept<stream_producer>(socket, RINGMAIN_STREAM_PRODUCER, stream_end<T>::raw(options));
    }
    result<std::size_t> push(const T &element, limit limit = now) {
        return detail::of_count(ringmain_stream_push(this->end_, &element, 1, limit.count()));
    }
    /* As many as there is room for. */
    result<std::size_t> push(span<const T> elements, limit limit = now) {
        return detail::of_count(ringmain_stream_push(this->end_, elements.data(), elements.size(), limit.count()));
    }
    /* All of them; `pushed` says how many were, also if it fails. */
    result<done> push_all(span<const T> elements, limit limit = forever, std::size_t *pushed = nullptr) {
        const auto [data, size] = std::pair{elements.data(), elements.size()};
        return detail::of_status(ringmain_stream_push_all(this->end_, data, size, limit.count(), pushed));
    }
    result<stream_claim<T>> claim(std::size_t least, std::size_t most, limit limit = now) {
        ringmain_slots slots;
        const std::ptrdiff_t count = ringmain_stream_claim(this->end_, least, most, limit.count(), &slots);
        if (count < 0) return result<stream_claim<T>>::failed(static_cast<int>(count));
        return stream_claim<T>(this->end_, {static_cast<T *>(slots.first), slots.first_count},
                               {static_cast<T *>(slots.second), slots.second_count});
    }
    result<std::size_t> room() const { return detail::of_count(ringmain_room(this->end_)); }
};

/* The reading end of a ring of elements. */
template <typename T>
class stream_consumer : public stream_end<T> {
public:
    stream_consumer() noexcept {}
    static result<stream_consumer> open(const char *name, const options &options = {}) {
        return end::attach<stream_consumer>(RINGMAIN_STREAM_CONSUMER, name, stream_end<T>::raw(options));
    }
    static result<stream_consumer> accept(int socket, const options &options = {}) {
        return end::accept<stream_consumer>(socket, RINGMAIN_STREAM_CONSUMER, stream_end<T>::raw(options));
    }
    result<T> pop(limit limit = now) {
        T element;
        const std::ptrdiff_t count = ringmain_stream_pop(this->end_, &element, 1, limit.count());
        return count < 0 ? result<T>::failed(static_cast<int>(count)) : result<T>(element);
    }
    /* As many as are there. */
    result<std::size_t> pop(span<T> elements, limit limit = now) {
        return detail::of_count(ringmain_stream_pop(this->end_, elements.data(), elements.size(), limit.count()));
    }
    /* As many as there is room for; `popped` says how many were, also if it fails. */
    result<done> pop_all(span<T> elements, limit limit = forever, std::size_t *popped = nullptr) {
        const auto [data, size] = std::pair{elements.data(), elements.size()};
        return detail::of_status(ringmain_stream_pop_all(this->end_, data, size, limit.count(), popped));
    }
    result<stream_peek<T>> peek(std::size_t least, std::size_t most, limit limit = now) {
        ringmain_elements found;
        const std::ptrdiff_t count = ringmain_stream_peek(this->end_, least, most, limit.count(), &found);
        if (count < 0) return result<stream_peek<T>>::failed(static_cast<int>(count));
        return stream_peek<T>(this->end_, {static_cast<const T *>(found.first), found.first_count},
                              {static_cast<const T *>(found.second), found.second_count}, found.position);
    }
    /* Copies what is there and leaves it, until `release` or `keep`. */
    result<std::size_t> copy(span<T> elements, limit limit = now) {
        return detail::of_count(ringmain_stream_copy(this->end_, elements.data(), elements.size(), limit.count()));
    }
    result<done> release(std::size_t count) {
        return detail::of_status(ringmain_stream_release(this->end_, count));
    }
    result<done> keep() { return detail::of_status(ringmain_keep(this->end_)); }
    result<done> pause() { return detail::of_status(ringmain_pause(this->end_)); }
};

/* Room for a message, to be written. */
class message_claim : public parts<unsigned char> {
public:
    message_claim() noexcept = default;
    message_claim(ringmain_end *end, span<unsigned char> bytes) noexcept : parts(end, ringmain_abort, bytes, {}) {}
    result<done> commit() { return commit(size()); }
    result<done> commit(std::size_t len) { return end_by(ringmain_message_commit(end_, len)); }
    result<done> commit_tagged(std::uint64_t word, std::size_t len) {
        return end_by(ringmain_message_commit_tagged(end_, word, len));
    }
};

/* A message to be read. */
class message_record : public parts<const unsigned char> {
public:
    message_record() noexcept = default;
    message_record(ringmain_end *end, const ringmain_record &record) noexcept
        : parts(end, ringmain_keep, {static_cast<const unsigned char *>(record.bytes), record.len}, {}),
          word(record.word), position(record.position) {}
    std::string_view text() const noexcept {
        return {reinterpret_cast<const char *>(first.data()), first.size()};
    }
    result<done> release() { return end_by(static_cast<int>(ringmain_message_release(end_))); }

    std::uint64_t word = 0, position = 0;
};

/* Messages that become visible together: aborted when it is destroyed, unless it was committed. Push them through the
 * producer, which must not move meanwhile. */
class message_batch {
public:
    message_batch() noexcept = default;
    explicit message_batch(ringmain_end *end) noexcept : end_(end) {}
    message_batch(message_batch &&other) noexcept : end_(std::exchange(other.end_, nullptr)) {}
    message_batch &operator=(message_batch &&other) noexcept {
        std::swap(end_, other.end_);
        return *this;
    }
    ~message_batch() {
        if (end_ != nullptr) static_cast<void>(ringmain_abort(end_));
    }
    result<std::size_t> commit() { return detail::of_count(ringmain_batch_commit(std::exchange(end_, nullptr))); }

private:
    ringmain_end *end_ = nullptr;
};

/* The writing end of a ring of messages. */
class message_producer : public end {
public:
    message_producer() noexcept {}
    static result<message_producer> open(const char *name, const options &options = {}) {
        return attach<message_producer>(RINGMAIN_MESSAGE_PRODUCER, name, options.raw());
    }
    static result<message_producer> accept(int socket, const options &options = {}) {
        return end::accept<message_producer>(socket, RINGMAIN_MESSAGE_PRODUCER, options.raw());
    }
    result<done> push(const void *message, std::size_t len, limit limit = now) {
        return detail::of_status(ringmain_message_push(end_, message, len, limit.count()));
    }
    result<done> push(std::string_view message, limit limit = now) {
        return push(message.data(), message.size(), limit);
    }
    result<done> push_tagged(std::uint64_t word, std::string_view message, limit limit = now) {
        const int status = ringmain_message_push_tagged(end_, word, message.data(), message.size(), limit.count());
        return detail::of_status(status);
    }
    result<done> push_vectored(span<const iovec> parts, limit limit = now) {
        return detail::of_status(ringmain_message_push_vectored(end_, parts.data(), parts.size(), limit.count()));
    }
    result<message_claim> claim(std::size_t len, limit limit = now) {
        void *bytes = nullptr;
        const int status = ringmain_message_claim(end_, len, limit.count(), &bytes);
        if (status < 0) return result<message_claim>::failed(status);
        return message_claim(end_, {static_cast<unsigned char *>(bytes), len});
    }
    result<message_batch> batch() {
        const int status = ringmain_batch_begin(end_);
        return status < 0 ? result<message_batch>::failed(status) : result<message_batch>(message_batch(end_));
    }
    result<std::size_t> room() const { return detail::of_count(ringmain_room(end_)); }
};

/* The reading end of a ring of messages. */
class message_consumer : public end {
public:
    message_consumer() noexcept {}
    static result<message_consumer> open(const char *name, const options &options = {}) {
        return attach<message_consumer>(RINGMAIN_MESSAGE_CONSUMER, name, options.raw());
    }
    static result<message_consumer> accept(int socket, const options &options = {}) {
        return end::accept<message_consumer>(socket, RINGMAIN_MESSAGE_CONSUMER, options.raw());
    }
    /* Into a buffer; returns the length. */
    result<std::size_t> pop(void *message, std::size_t size, limit limit = now) {
        return detail::of_count(ringmain_message_pop(end_, message, size, limit.count()));
    }
    result<std::size_t> pop_tagged(std::uint64_t &word, void *message, std::size_t size, limit limit = now) {
        return detail::of_count(ringmain_message_pop_tagged(end_, &word, message, size, limit.count()));
    }
    /* Of any length. It allocates. */
    result<std::string> pop(limit limit = now) {
        const std::ptrdiff_t len = ringmain_message_next_len(end_, limit.count());
        if (len < 0) return result<std::string>::failed(static_cast<int>(len));
        std::string message(static_cast<std::size_t>(len), '\0');
        const std::ptrdiff_t popped = ringmain_message_pop(end_, message.data(), message.size(), RINGMAIN_NOW);
        if (popped < 0) return result<std::string>::failed(static_cast<int>(popped));
        return message;
    }
    result<std::size_t> next_len(limit limit = now) {
        return detail::of_count(ringmain_message_next_len(end_, limit.count()));
    }
    result<message_record> peek(limit limit = now) {
        ringmain_record record;
        const int status = ringmain_message_peek(end_, limit.count(), &record);
        if (status < 0) return result<message_record>::failed(status);
        return message_record(end_, record);
    }
    /* Copies the next message after those that were copied, and leaves all, until `release` or `keep`. */
    result<std::size_t> copy_next(void *message, std::size_t size, limit limit = now) {
        return detail::of_count(ringmain_message_copy_next(end_, message, size, limit.count()));
    }
    result<std::size_t> release() { return detail::of_count(ringmain_message_release(end_)); }
    result<done> keep() { return detail::of_status(ringmain_keep(end_)); }
    result<done> pause() { return detail::of_status(ringmain_pause(end_)); }
};

/* Waits at many rings at once:
 *
 *     ringmain_interest list[] = {orders.interest(), ticks.interest(16), replies.interest()};
 *     auto ready = set.wait(list, std::chrono::seconds(1)); // How many; 0 if the time has passed.
 */
class wait_set {
public:
    wait_set() noexcept = default;
    wait_set(wait_set &&other) noexcept : set_(std::exchange(other.set_, nullptr)) {}
    wait_set &operator=(wait_set &&other) noexcept {
        std::swap(set_, other.set_);
        return *this;
    }
    ~wait_set() { ringmain_waitset_free(set_); }
    static result<wait_set> open() {
        wait_set made;
        const int status = ringmain_waitset_open(&made.set_);
        return status < 0 ? result<wait_set>::failed(status) : result<wait_set>(std::move(made));
    }
    /* Fails with -ECANCELED if a waker of the set was used. */
    result<std::size_t> wait(span<ringmain_interest> interests, limit limit = forever) {
        const auto [data, size] = std::pair{interests.data(), interests.size()};
        return detail::of_count(ringmain_waitset_wait(set_, data, size, limit.count()));
    }
    result<done> set_wait(std::uint32_t strategy) {
        return detail::of_status(ringmain_waitset_set_wait(set_, strategy));
    }
    /* Ends a wait of this set. */
    result<ringmain::waker> waker() {
        ringmain::waker made;
        const int status = ringmain_waitset_waker(set_, &made.waker_);
        return status < 0 ? result<ringmain::waker>::failed(status) : result<ringmain::waker>(std::move(made));
    }

private:
    ringmain_waitset *set_ = nullptr;
};

/* A ring that was sent through a socket, and that is to be answered. */
class offer {
public:
    offer() noexcept = default;
    offer(offer &&other) noexcept : offer_(std::exchange(other.offer_, nullptr)) {}
    offer &operator=(offer &&other) noexcept {
        std::swap(offer_, other.offer_);
        return *this;
    }
    ~offer() { ringmain_offer_free(offer_); }
    static result<offer> send(int socket, int descriptor) {
        offer sent;
        const int status = ringmain_offer_send(socket, descriptor, &sent.offer_);
        return status < 0 ? result<offer>::failed(status) : result<offer>(std::move(sent));
    }
    /* RINGMAIN_ATTACHED or RINGMAIN_RECEIVED. */
    result<int> answer() { return detail::of_int(ringmain_offer_answer(offer_)); }

private:
    ringmain_offer *offer_ = nullptr;
};

/* Sends a ring without a name by its descriptor, which stays the caller's, and asks for no answer. */
inline result<done> send(int socket, int descriptor) {
    return detail::of_status(ringmain_send(socket, descriptor));
}

/* Receives a ring without a name: `options.descriptor` attaches to it. */
inline result<descriptor> receive(int socket) { return detail::of_descriptor(ringmain_receive(socket)); }

/* A ring for a program that is about to be started: a descriptor, which is to be kept open until then and inherited by
 * that program alone (ringmain_inherit says how), and the text for the environment variable that names it. */
struct inheritance {
    ringmain::descriptor descriptor;
    std::string note;
};

inline result<inheritance> inherit(int descriptor) {
    char note[RINGMAIN_NOTE];
    const int copy = ringmain_inherit(descriptor, note, sizeof note);
    if (copy < 0) return result<inheritance>::failed(copy);
    return inheritance{ringmain::descriptor(copy), note};
}

/* The ring that this process inherited, by the environment variable that names it. */
inline result<descriptor> inherited(const char *variable) {
    return detail::of_descriptor(ringmain_inherited(variable));
}

/* Creates a ring of elements, if it is missing, and takes neither end. One without a name (null) lives as long as its
 * descriptor. */
template <typename T>
result<descriptor> create_stream(const char *name, const options &options) {
    const ringmain_options raw = stream_end<T>::raw(options);
    return detail::of_descriptor(ringmain_create(RINGMAIN_STREAM_PRODUCER, name, &raw));
}

/* The same for messages. */
inline result<descriptor> create_message(const char *name, const options &options) {
    const ringmain_options raw = options.raw();
    return detail::of_descriptor(ringmain_create(RINGMAIN_MESSAGE_PRODUCER, name, &raw));
}

inline result<done> unlink(const char *name) { return detail::of_status(ringmain_unlink(name)); }

/* Only if nobody is attached. */
inline result<done> unlink_if_free(const char *name, limit limit = now) {
    return detail::of_status(ringmain_unlink_if_free(name, limit.count()));
}

/* The version of the library that is linked, such as "0.1.0". */
inline std::string_view version() noexcept { return ringmain_version(); }

/* What a code means, in a few words. For the reason of one failure see `error`. */
inline std::string_view strerror(int code) noexcept { return ringmain_strerror(code); }

inline result<ringmain_stat> look(const char *name) {
    ringmain_stat stat{};
    stat.size = sizeof stat;
    const int status = ringmain_look(name, &stat);
    return status < 0 ? result<ringmain_stat>::failed(status) : result<ringmain_stat>(stat);
}

/* All objects of shared memory: rings, and what is none. */
inline result<std::vector<ringmain_stat>> list() {
    using all = std::vector<ringmain_stat>;
    ringmain_list *list = nullptr;
    int status = ringmain_list_open(&list);
    all found;
    while (status >= 0) {
        ringmain_stat stat{};
        stat.size = sizeof stat;
        status = ringmain_list_next(list, &stat);
        if (status != 1) break;
        found.push_back(stat);
    }
    ringmain_list_free(list);
    return status < 0 ? result<all>::failed(status) : result<all>(std::move(found));
}

} // namespace ringmain

#endif
