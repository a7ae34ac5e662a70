"""How dear is a stream client? The gateway beside a bare loop and nginx's nchan, under the same load and client."""
