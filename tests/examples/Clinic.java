import com.gemplus.gemauth.api.GATicket;

/** A made-up clinical program of a Windows PC: it opens, renews or closes the person's session. */
public class Clinic {
    public static void main(String[] commands) {
        try {
            GATicket api = new GATicket();
            for (String command : commands) {
                run(api, command);
            }
        } catch (Exception e) {
            System.out.println(e.getMessage());
        }
    }

    private static void run(GATicket api, String command) {
        if (command.equals("open")) {
            show(api, api.getTicket());
        } else if (command.equals("renew")) {
            show(api, api.getNewTicket());
        } else if (command.equals("versions")) {
            System.out.println("Versions " + api.getGAVersion(0) + " " + api.getGAVersion(1));
        } else if (command.equals("forget")) {
            api.finalize();
        } else {
            api.destroyTicket();
            System.out.println("Closed: " + api.getLastError());
        }
    }

    private static void show(GATicket api, String ticket) {
        if (ticket != null) {
            System.out.println("Ticket of " + ticket.length() + " characters: " + ticket);
        } else {
            long error = api.getLastError();
            System.out.println("Error " + error + ": " + api.getErrorDescription(error));
        }
    }
}
