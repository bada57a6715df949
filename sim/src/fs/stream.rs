//! A file as a stream of bytes with a cursor.

use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

use super::as_off_t;
use super::file::{File, FileIn};
use crate::engine::disk::Errno;
use crate::engine::world;

impl AsyncRead for File {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let file = match &mut self.0 {
            FileIn::Engine(file) => file,
            FileIn::Tokio { stream, .. } => return Pin::new(stream).poll_read(context, buffer),
        };
        let (opened, cursor) = (file.opened, file.cursor);
        let unfilled = buffer.initialize_unfilled();
        let work = file.reading(unfilled.len());
        let read = ready!(file.poll_operation(context, work, |world, key| {
            world.read_file(opened, key, cursor, unfilled)
        }))?;
        buffer.advance(read);
        file.cursor += read as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for File {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let file = match &mut self.0 {
            FileIn::Engine(file) => file,
            FileIn::Tokio { stream, .. } => return Pin::new(stream).poll_write(context, bytes),
        };
        let (opened, cursor) = (file.opened, file.cursor);
        let work = file.writing(bytes.len());
        let outcome = ready!(file.poll_operation(context, work, |world, key| {
            let written = world.write_file(opened, key, cursor, bytes)?;
            let cursor = match opened.flags.append {
                true => world.disk_of(opened).len(opened.handle)?,
                false => cursor + written as u64,
            };
            Ok::<_, Errno>((written, cursor))
        }));
        let (written, cursor) = outcome?;
        file.cursor = cursor;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            FileIn::Engine(_) => Poll::Ready(Ok(())),
            FileIn::Tokio { stream, .. } => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

impl AsyncSeek for File {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        let file = match &mut self.0 {
            FileIn::Engine(file) => file,
            FileIn::Tokio { stream, .. } => return Pin::new(stream).start_seek(position),
        };
        let from = |base: u64, offset: i64| base.checked_add_signed(offset);
        let cursor = match position {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(offset) => from(file.cursor, offset),
            SeekFrom::End(offset) => {
                let opened = file.opened;
                from(
                    world::with(|world| world.disk_of(opened).len(opened.handle))?,
                    offset,
                )
            }
        };
        file.cursor = as_off_t(cursor.unwrap_or(u64::MAX))?;
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        match &mut self.0 {
            FileIn::Engine(file) => Poll::Ready(Ok(file.cursor)),
            FileIn::Tokio { stream, .. } => Pin::new(stream).poll_complete(context),
        }
    }
}
