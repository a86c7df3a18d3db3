import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import kafka.tools.StorageTool;

/**
 * Runs kafka-storage once for each line of standard input, whose arguments are
 * separated by tabs, and answers with a line: the exit code, a tab, what the tool
 * said in Base64. Forty starts of a JVM take a minute, this takes a second.
 */
public class Formats {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            ByteArrayOutputStream said = new ByteArrayOutputStream();
            int code;
            try (PrintStream out = new PrintStream(said, true, StandardCharsets.UTF_8)) {
                code = StorageTool.execute(line.split("\t"), out);
            } catch (Throwable e) { // what the script shows before it ends with code 1
                said.writeBytes(e.toString().getBytes(StandardCharsets.UTF_8));
                code = 1;
            }
            System.out.println(code + "\t" + Base64.getEncoder().encodeToString(said.toByteArray()));
        }
    }
}
