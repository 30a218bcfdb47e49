//! Ends whose calls are awaited, and the runtimes that tasks run in.

#![allow(dead_code, unused_imports, unused_macros, reason = "every test file uses its share")]

use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use futures::executor::block_on;
use futures::poll;
use ringmain::{Async, WaitError, message, stream};

use super::common::ends::End;

/// What runs a task.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Runtime {
    TokioCurrentThread,
    TokioMultiThread,
    Smol,
    Futures,
}

impl Runtime {
    pub(crate) const ALL: [Runtime; 4] =
        [Runtime::TokioCurrentThread, Runtime::TokioMultiThread, Runtime::Smol, Runtime::Futures];

    /// Runs a task to its end.
    pub(crate) fn run<T: Send + 'static>(self, task: impl Future<Output = T> + Send + 'static) -> T {
        match self {
            Runtime::TokioCurrentThread => {
                tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(task)
            }
            Runtime::TokioMultiThread => {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
                runtime.block_on(runtime.spawn(task)).unwrap()
            }
            Runtime::Smol => smol::block_on(smol::spawn(task)),
            Runtime::Futures => block_on(task),
        }
    }
}

/// Checks that a call has to wait, does something, and returns how the call ends when it is woken.
#[track_caller]
pub(crate) fn waits<T: Debug>(call: impl Future<Output = T>, act: impl FnOnce()) -> T {
    let mut call = pin!(call);
    block_on(async {
        let poll = poll!(&mut call);
        assert!(poll.is_pending(), "{poll:?}, and nothing has come");
        act();
        call.await
    })
}

/// Checks that a call does not have to wait, and returns how it ends.
#[track_caller]
pub(crate) fn ends<T: Debug>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it waits"),
    }
}

/// One of the four handles, whose calls are awaited.
pub(crate) trait TaskEnd: Debug + Send + Sized + 'static {
    type Plain: End;

    fn of(end: Self::Plain) -> Self;
    fn plain(self) -> Self::Plain;

    /// Sends this number, or receives one and checks that it is this.
    fn go(&mut self, number: u64) -> impl Future<Output = Result<(), WaitError>> + Send;

    /// Waits until a number can go.
    fn until_ready(&mut self) -> impl Future<Output = Result<(), WaitError>> + Send;
}

macro_rules! task_end {
    ($end:ty, $self:ident, $number:ident, $go:expr, $wait:ident($($len:expr)?)) => {
        impl TaskEnd for Async<$end> {
            type Plain = $end;

            fn of(end: $end) -> Self {
                end.into_async().unwrap()
            }

            fn plain(self) -> $end {
                self.into_inner()
            }

            async fn go(&mut $self, $number: u64) -> Result<(), WaitError> {
                $go
            }

            async fn until_ready(&mut self) -> Result<(), WaitError> {
                self.$wait($($len)?).await
            }
        }
    };
}

fn check(came: u64, number: u64) {
    assert_eq!(came, number, "came, expected");
}

task_end!(
    stream::Producer<u64>,
    self,
    number,
    if number % 2 == 0 {
        self.push(number).await.map_err(|unsent| unsent.cause)
    } else {
        let mut claim = self.claim(1).await?;
        claim.set(0, number);
        claim.commit();
        Ok(())
    },
    until_free(1)
);
task_end!(
    stream::Consumer<u64>,
    self,
    number,
    if number % 2 == 0 {
        self.pop().await.map(|came| check(came, number))
    } else {
        let peek = self.peek(1).await?;
        check(peek.get(0).unwrap(), number);
        peek.release();
        Ok(())
    },
    until_available(1)
);
task_end!(message::Producer, self, number, self.push_value(&number).await, until_free(8));
task_end!(message::Consumer, self, number, self.pop_value().await.map(|came| check(came, number)), until_available());

/// Runs a check for each of the four handles.
macro_rules! for_each_task_end {
    ($check:ident $(, $argument:expr)*) => {
        $check::<ringmain::Async<ringmain::stream::Consumer<u64>>>($($argument),*);
        $check::<ringmain::Async<ringmain::stream::Producer<u64>>>($($argument),*);
        $check::<ringmain::Async<ringmain::message::Consumer>>($($argument),*);
        $check::<ringmain::Async<ringmain::message::Producer>>($($argument),*);
    };
}
pub(crate) use for_each_task_end;
