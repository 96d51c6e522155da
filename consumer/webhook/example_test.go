package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
	"github.com/postroom/postroom/consumer/webhook"
)

// A sink is the handler of a worker. Here it is given one message without one.
func ExampleNew() {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.Header.Get("webhook-id"))
		w.WriteHeader(http.StatusNoContent)
	}))
	defer receiver.Close()

	keys, err := webhook.ParseKeys("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		fmt.Println(err)
		return
	}
	sink, err := webhook.New(receiver.URL, keys, webhook.Options{AllowPrivate: true}) // it is on this machine
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sink.Close()
	var handler consumer.Handler = sink
	err = handler.Handle(context.Background(), backend.Delivery{Body: `{"specversion":"1.0","id":"4f1c"}`})
	fmt.Println(err)
	// Output:
	// POST 4f1c
	// <nil>
}
