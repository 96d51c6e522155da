package local

import (
	"context"
	"net/url"
	"os"
)

// connect opens the connections, and creates the schema in a new file.
func (b *Backend) connect(fresh settings) (err error) {
	ctx := context.Background()
	if err := b.connectWriter(ctx); err != nil {
		return err
	}
	if err := b.prepareFile(ctx, fresh); err != nil {
		return err
	}
	b.readers = b.writer
	if b.path == Memory {
		return nil
	}
	b.readers, err = b.dial(ctx, readConnections, nil, "query_only(1)")
	if err != nil {
		return err
	}
	b.notifier.watch = b.watch
	if b.notifier.version, err = b.dataVersion(); err != nil {
		return err
	}
	return b.startCheckpoints(ctx)
}

// connectWriter opens the writing connection, and with it the file.
func (b *Backend) connectWriter(ctx context.Context) (err error) {
	mode := url.Values{}
	if b.path != Memory {
		like, err := template(b.path)
		if err != nil {
			return err
		}
		if like != "" {
			defer func() { _ = os.Remove(like) }() // it is empty: if it stays it does no harm
			mode.Set("modeof", like)
		}
	}
	// The cache is 16 MB. The checkpoints move the WAL into the file; the writer
	// itself does so only if they do not keep up, at 128 MB.
	b.writer, err = b.dial(ctx, 1, mode, "cache_size(-16384)", "wal_autocheckpoint(32000)")
	return err
}
