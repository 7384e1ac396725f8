import java.io.File;
import java.math.BigInteger;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;

/** Makes each kind of mark, about bytes that differ from run to run. */
public class Marks {
    static void mark(String kind, String... words) {
        StringBuilder path = new StringBuilder("/.reenact/mark/").append(kind);
        for (String word : words)
            path.append('/').append(URLEncoder.encode(word, StandardCharsets.UTF_8).replace("+", "%20"));
        new File(path.toString()).exists();
    }

    static String sum(String text) throws Exception {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
        return String.format("%064x", new BigInteger(1, digest));
    }

    public static void main(String[] args) throws Exception {
        mark("phase", "load");
        String now = System.nanoTime() + " in process " + ProcessHandle.current().pid();
        mark("note", "hello, 50% of it: é");
        mark("checksum", "users/all", sum("id 1, id 2\n"));
        mark("checksum", "now", sum(now));
        System.out.println(now);
    }
}
