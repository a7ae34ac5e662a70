// The JDK's own WebSocket, in a loop that goes on where it was. Run as `java Listener.java`.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

class Listener implements WebSocket.Listener {
    private static final Pattern ID = Pattern.compile("^\\{\"id\":\"([^\"]+)\"");
    private static final Pattern LISTENED = Pattern.compile("^\\{\"id\":[^,]+,\"event\":\"(hello|story|gap|checkpoint)\"");
    private static volatile String cursor = "earliest";

    private final StringBuilder text = new StringBuilder();
    private final CompletableFuture<Void> ended = new CompletableFuture<>();

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean last) {
        text.append(part);
        if (last) {
            Matcher id = ID.matcher(text);
            if (id.find()) cursor = id.group(1);
            if (LISTENED.matcher(text).find()) System.out.println(text);
            text.setLength(0);
        }
        socket.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int status, String reason) {
        ended.complete(null);
        return null;
    }

    @Override
    public void onError(WebSocket socket, Throwable error) {
        ended.complete(null);
    }

    public static void main(String[] none) throws InterruptedException {
        String url = System.getenv("GATEWAY").replaceFirst("http", "ws") + "/v1/ws?" + System.getenv("FILTER");
        HttpClient client = HttpClient.newHttpClient();
        while (true) {
            Listener listener = new Listener();
            try {
                client.newWebSocketBuilder()
                    .header("Authorization", "Bearer " + System.getenv("KEY"))
                    .buildAsync(URI.create(url + "&cursor=" + cursor), listener)
                    .join();
                listener.ended.join();
            } catch (CompletionException refused) {
                // not there yet
            }
            Thread.sleep(200);
        }
    }
}
