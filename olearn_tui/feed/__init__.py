"""Where the dashboard has its numbers from: HTTP and the event stream."""
