package consumer_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
)

// A program that does something of its own with every message of a queue.
func ExampleWorker_Run() {
	work := func(queue backend.Queue) error {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		handler := consumer.HandlerFunc(func(_ context.Context, d backend.Delivery) error {
			fmt.Println("ring the bell for", d.GroupID)
			return nil
		})
		worker, err := consumer.New(queue, handler, consumer.Options{
			Concurrency: 64,
			Logger:      slog.Default(),
		})
		if err != nil {
			return err
		}
		return worker.Run(ctx)
	}
	_ = work // with a queue of backend/aws or backend/local
}

func ExampleLogSink() {
	sink := consumer.LogSink(os.Stdout)
	_ = sink.Handle(context.Background(), backend.Delivery{Body: `{"id": "4f1c", "type": "example"}`})
	// Output: {"id":"4f1c","type":"example"}
}
